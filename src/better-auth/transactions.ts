/**
 * Promises of Better Auth in transactions of ours.
 *
 * A transaction is in the context of fibers, and Better Auth has none: it hands a callback to the adapter, and calls the
 * adapter back from promises. So the callback runs in the body of a transaction, whose context is kept as a runtime, and
 * each statement of the callback runs on that runtime.
 *
 * Better Auth in turn knows by the asynchronous context (`AsyncLocalStorage`) in whose transaction it is. Fibers run in the
 * context of whoever woke them, and one turn of the scheduler or of the write queue wakes those of many: what is run here
 * leaves the context of the caller, or another fiber would find itself in this transaction.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Data, Effect, Exit, type ManagedRuntime, Runtime } from "effect"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import { operations } from "../sql/operations.js"
import { abilitiesOf } from "../libsql/registry.js"

/** Gives `SqlClient` to what runs on it. */
export type Provider<E> = ManagedRuntime.ManagedRuntime<SqlClient.SqlClient, E> | Runtime.Runtime<SqlClient.SqlClient>

/** Runs an effect; the promise rejects with the error of the effect itself. */
export type Run = <A>(effect: Effect.Effect<A, unknown, SqlClient.SqlClient>) => Promise<A>

/** Where statements run: on the database, or in a transaction. */
export interface Scope {
  readonly read: Run
  readonly write: Run
  /** What a transaction is in; none for the database itself. */
  readonly outer: Scope | undefined
  ended: boolean
}

/** Of no request. */
const outside = new AsyncResource("@sealant/db/better-auth")

const runBy = <E>(provider: Provider<E>): Run => async (effect) => {
  const exit = await outside.runInAsyncScope(() =>
    "runPromiseExit" in provider ? provider.runPromiseExit(effect) : Runtime.runPromiseExit(provider)(effect))
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}

/** The database itself. */
export const databaseScope = <E>(provider: Provider<E>): Scope => {
  const run = runBy(provider)
  return { read: run, write: run, outer: undefined, ended: false }
}

/**
 * A transaction begins with its first write, and what is read before that is read outside it: Better Auth looks for the
 * user first and then hashes a password, and every other writer would wait for the hash. So what it reads before it writes
 * may have changed by then, as under READ COMMITTED, the default of the servers that it is made for.
 */
const transactionScope = (outer: Scope, run: Run, begun: boolean): Scope => ({
  read: (effect) => begun ? run(effect) : outer.read(effect),
  write: (effect) => {
    begun = true
    return run(effect)
  },
  outer,
  ended: false
})

/** The transactions of one adapter. */
export interface Transactions {
  /** The scope of who asks: `own`, or a transaction in it in whose callback the asker is. */
  readonly current: (own: Scope) => Scope
  /** Runs a callback in a transaction of a scope: a savepoint where that is one itself. */
  readonly transaction: <A>(scope: Scope, callback: (inner: Scope) => Promise<A>) => Promise<A>
}

/** The callback has rejected; with what is for the caller alone. */
class RolledBack extends Data.TaggedError("RolledBack") {}

export const makeTransactions = (): Transactions => {
  const scopes = new AsyncLocalStorage<Scope>()

  /**
   * A hook inside a transaction may hold the adapter of the database itself. Outside the transaction it would wait for
   * its end, and the transaction for the hook.
   */
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
    const whole = Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      // Inside another transaction its statements wait for this one to end, and so would what is read outside.
      const begun = yield* abilitiesOf(sql)?.isInTransaction ?? Effect.succeed(true)
      return yield* sql.withTransaction(body(begun))
    }).pipe(
      operations("BetterAuthAdapter", "transaction").read("transaction"),
      Effect.mapError((error) => error instanceof RolledBack ? thrown : error)
    )
    return scope.write(whole)
  }

  return { current, transaction }
}
