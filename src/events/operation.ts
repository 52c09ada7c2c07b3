/**
 * The wrapper of lifecycle operations: one batch, one span, the declared errors, and the events of the journal.
 */
import type { SqlClient, SqlError } from "@effect/sql"
import { Clock, Data, Effect, identity, Option, Predicate } from "effect"
import type { Actor } from "./ControlPlaneEvent.js"
import { clientInternals } from "../libsql/registry.js"
import { operations, type Refusal } from "../sql/operations.js"
import { failedGuard, type Write, writeAll } from "../sql/writeAll.js"
import { CurrentActor } from "./CurrentActor.js"
import { appendEvents, type Transition } from "./journal.js"

type Attributes = Readonly<Record<string, string | number | boolean>>

/** The outcome of the decision of an operation. */
export interface Decision<A, E> {
  /** The writes, with the guards of the rows on which the decision relied. */
  readonly writes: ReadonlyArray<Write>
  /** The events of the journal. */
  readonly transitions: ReadonlyArray<Transition>
  /**
   * Builds the error for a guard that does not hold, if that is a refusal. Other guards make the operation decide again.
   */
  readonly refusalOf?: (guard: Write) => Effect.Effect<never, E> | undefined
  /** Builds the result after the commit. Receives the rows of each write, or nothing if there are no writes. */
  readonly result: (rows: ReadonlyArray<Rows>) => Effect.Effect<A, E>
}

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

/** Builds the decision that writes nothing. */
export const noChange = <A>(result: A): Decision<A, never> => ({
  writes: [],
  transitions: [],
  result: () => Effect.succeed(result)
})

/** The number of times that an operation decides again after another program changed its rows. */
const optimisticAttempts = 4

/** Builds the wrappers for one lifecycle service. Its errors name a row by `entity`. */
export const operationsOf = (service: string, entity: string) => {
  const { decodeFilter, decodeInput, traced } = operations(service, entity)
  return {
    decodeFilter,
    decodeInput,
    traced,

    /**
     * Runs an operation that reads, decides and writes, under a span named after it. `decide` reads the rows and returns
     * its decision; it writes nothing. All writes of the decision and its events are stored together, or none.
     *
     * If a guard fails, because a row changed after it was read, it decides again. The last time it holds the write lock
     * while it reads, so that no row changes.
     */
    decided: <R extends Refusal = never>(
      sql: SqlClient.SqlClient,
      name: string,
      attributes?: Attributes,
      actor: Actor = system,
      refusals: ReadonlyArray<R> = []
    ) => {
      const wrap = traced(name, refusals, attributes)
      return <A, E, E2>(decide: (now: number) => Effect.Effect<Decision<A, E>, E2>) => {
        const once = storeDecision(sql, name, actor, decide)
        const again = (left: number): typeof once =>
          left === 0 ? once : Effect.catchIf(once, isGuardFailure, () => again(left - 1))
        const stored = Effect.catchIf(again(optimisticAttempts), isGuardFailure, () =>
          Effect.catchIf(sql.withTransaction(once), isGuardFailure, Effect.die)
        )
        return wrap(Effect.flatMap(stored, ({ decision, rows }) => decision.result(rows)))
      }
    }
  }
}

/** The failure of a guard of a decision. */
class GuardFailure extends Data.TaggedError("GuardFailure") {}

const isGuardFailure = (error: unknown): error is GuardFailure => error instanceof GuardFailure

const storeDecision = <A, E, E2>(
  sql: SqlClient.SqlClient,
  eventType: string,
  defaultActor: Actor,
  decide: (now: number) => Effect.Effect<Decision<A, E>, E2>
) =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    // A replica may be behind, and a refusal is not checked by the guards of writes.
    const onPrimary = clientInternals(sql)?.onPrimary ?? identity
    const decision = yield* onPrimary(decide(now))
    const { transitions, writes } = decision
    const actor = Option.getOrElse(yield* CurrentActor, () => defaultActor)
    const all = transitions.length === 0 ? writes : [...writes, appendEvents({ eventType, actor, now }, transitions)]
    if (all.length === 0) return { decision, rows: [] }
    const refused = (error: SqlError.SqlError): Effect.Effect<never, E | GuardFailure | SqlError.SqlError> => {
      const guard = failedGuard(all, error)
      return Option.isNone(guard) ? Effect.fail(error) : (decision.refusalOf?.(guard.value) ?? new GuardFailure())
    }
    const rows: ReadonlyArray<Rows> = yield* Effect.catchAll(writeAll(sql, all), refused)
    return { decision, rows }
  })

const system: Actor = { type: "system" }

/** Returns the worker of a lease as the actor. */
export const workerOf = ({ workerId }: { readonly workerId: string }): Actor => ({ type: "worker", id: workerId })

/**
 * Turns errors that cannot occur inside the transaction into defects: the row was created or read before, under the
 * same write lock.
 */
export const impossible =
  <Tag extends string>(...tags: ReadonlyArray<Tag>) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, Extract<E, { readonly _tag: Tag }>>> =>
    Effect.catchIf(
      effect,
      (error): error is Extract<E, { readonly _tag: Tag }> => tags.some((tag) => Predicate.isTagged(error, tag)),
      Effect.die
    )
