/**
 * Transactions of Better Auth.
 *
 * A transaction of this package is part of the context of a fiber. Better Auth has no fibers: it passes a callback to
 * the adapter, and calls the adapter from promises. So the callback runs inside the body of a transaction, and each of
 * its statements runs on a runtime with the context of that body.
 *
 * Better Auth and this adapter find the transaction of a caller through `AsyncLocalStorage`. A fiber resumes in the
 * asynchronous context of the code that woke it, and one turn of the scheduler or the write queue wakes fibers of many
 * callers. So effects run outside the asynchronous context of the caller. Otherwise a fiber of another caller could
 * join this transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Cause, Data, Effect, Exit, type ManagedRuntime, Runtime } from "effect"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import { operations } from "../sql/operations.js"
import { clientInternals } from "../libsql/registry.js"

/** A runtime that provides `SqlClient`. */
export type Provider<E> = ManagedRuntime.ManagedRuntime<SqlClient.SqlClient, E> | Runtime.Runtime<SqlClient.SqlClient>

/** Runs an effect. The promise rejects with the error of the effect. */
export type Run = <A>(effect: Effect.Effect<A, unknown, SqlClient.SqlClient>) => Promise<A>

/** The scope of statements: the database or a transaction. */
export interface Scope {
  readonly read: Run
  readonly write: Run
  /** The scope that contains the transaction; `undefined` for the database. */
  readonly outer: Scope | undefined
  ended: boolean
}

// An asynchronous context without a request.
const outside = new AsyncResource("@sealant/db/better-auth")

const runBy =
  <E>(provider: Provider<E>): Run =>
  async (effect) => {
    const exit = await outside.runInAsyncScope(() =>
      "runPromiseExit" in provider ? provider.runPromiseExit(effect) : Runtime.runPromiseExit(provider)(effect)
    )
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return exit.value
  }

/** Makes the scope of the database. */
export const databaseScope = <E>(provider: Provider<E>): Scope => {
  const run = runBy(provider)
  return { read: run, write: run, outer: undefined, ended: false }
}

/**
 * Makes the scope of a transaction. The transaction begins with its first write, and earlier reads run outside it:
 * Better Auth reads the user and then hashes a password, and all other writers would wait for the hash. So rows that
 * were read before the first write may have changed since, as under READ COMMITTED, the default of PostgreSQL
 * (https://www.postgresql.org/docs/current/transaction-iso.html).
 */
const transactionScope = (outer: Scope, run: Run, begun: boolean): Scope => ({
  read: (effect) => (begun ? run(effect) : outer.read(effect)),
  write: (effect) => {
    begun = true
    return run(effect)
  },
  outer,
  ended: false
})

/** The transactions of one adapter. */
export interface Transactions {
  /** Returns the scope of the caller: the innermost active transaction inside `own`, or `own`. */
  readonly current: (own: Scope) => Scope
  /** Runs a callback in a transaction, or in a savepoint if `scope` is a transaction. */
  readonly transaction: <A>(scope: Scope, callback: (inner: Scope) => Promise<A>) => Promise<A>
}

/** The callback has rejected. Only its caller receives the reason. */
class RolledBack extends Data.TaggedError("RolledBack") {}

export const makeTransactions = (): Transactions => {
  const scopes = new AsyncLocalStorage<Scope>()

  // A hook inside a transaction may call the adapter of the database. Its statements must join the transaction:
  // otherwise they would wait for the transaction, which waits for the hook.
  const current = (own: Scope): Scope => {
    let innermost = scopes.getStore()
    while (innermost?.ended === true) innermost = innermost.outer
    for (let scope = innermost; scope !== undefined; scope = scope.outer) {
      if (scope === own) return innermost ?? own
    }
    return own
  }

  const transaction: Transactions["transaction"] = (scope, callback) => {
    const caller = new AsyncResource("@sealant/db/better-auth/transaction")
    let thrown: unknown
    const body = (begun: boolean) =>
      Effect.flatMap(Effect.runtime<SqlClient.SqlClient>(), (runtime) => {
        const inner = transactionScope(scope, runBy(runtime), begun)
        return Effect.tryPromise({
          try: async () => {
            try {
              return await caller.runInAsyncScope(() => scopes.run(inner, () => callback(inner)))
            } finally {
              inner.ended = true
            }
          },
          catch: (error) => {
            thrown = error
            return new RolledBack()
          }
        })
      })
    const whole = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Inside another transaction of the runtime, reads outside this one would wait for it to end. So it begins at
      // once.
      const begun = yield* clientInternals(sql)?.isInTransaction ?? Effect.succeed(true)
      return yield* sql.withTransaction(body(begun))
    }).pipe(
      operations("BetterAuthAdapter", "transaction").traced("transaction"),
      Effect.mapError((error) => (error instanceof RolledBack ? thrown : error))
    )
    return scope.write(whole)
  }

  return { current, transaction }
}
