/**
 * `ControlPlaneEvents.consume`: gives a named consumer the events that it has not acknowledged, until its handler fails.
 */
import type { SqlClient, SqlError, Statement } from "@effect/sql"
import { Clock, Effect, Option, Schema, type Scope } from "effect"
import type { ControlPlaneEvent, ControlPlaneEventConsumer, JournalEpoch, JournalState } from "./ControlPlaneEvent.js"
import { type InvalidInput, JournalReset, type PersistenceError } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { operations } from "../sql/operations.js"
import type { CorruptRow, RowsOf } from "../sql/rows.js"
import { isTaggedAs } from "../sql/tagged.js"
import type { ControlPlaneEventsService } from "./ControlPlaneEvents.js"
import { backoff, isTransient } from "../leasing/workerLoop.js"

const { input, write } = operations("ControlPlaneEvents", "ControlPlaneEvent")

const mostAtOnce = 500

const Options = Schema.Struct({
  consumer: Name,
  batchSize: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, mostAtOnce)), { default: () => 100 })
})

interface Journal {
  readonly sql: SqlClient.SqlClient
  readonly consumers: RowsOf<ControlPlaneEventConsumer>
  readonly consumerColumns: Statement.Fragment
  readonly state: Effect.Effect<JournalState, SqlError.SqlError | CorruptRow>
  readonly nextEvents: Effect.Effect<NextEvents, never, Scope.Scope>
  readonly acknowledge: ControlPlaneEventsService["acknowledge"]
}

type NextEvents = (
  method: string,
  place: { readonly afterPosition: number; readonly epoch?: JournalEpoch | undefined },
  limit: number
) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | JournalReset | PersistenceError>

export const makeConsume = (
  { acknowledge, consumerColumns, consumers, nextEvents, sql, state }: Journal
): ControlPlaneEventsService["consume"] => {
  /** Returns the consumer's row, which is created if it does not exist, and the journal's current epoch. */
  const enroll = (name: string) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const { position, ...row } = yield* consumers.one(sql`
        INSERT INTO control_plane_event_consumers (name, position, updated_at, epoch)
        VALUES (${name}, 0, ${now}, (SELECT epoch FROM control_plane_journal WHERE id = 1))
        ON CONFLICT (name) DO UPDATE SET epoch = coalesce(epoch, excluded.epoch)
        RETURNING ${consumerColumns}`)
      const { epoch } = yield* state
      return { position, epoch, isReset: Option.isSome(row.epoch) && row.epoch.value !== epoch }
    }).pipe(write("consume", []))

  const enterEpoch = (name: string, epoch: JournalEpoch) =>
    sql`UPDATE control_plane_event_consumers SET epoch = ${epoch} WHERE name = ${name}`.pipe(write("consume", []))

  return ({ onReset, ...request }, handler) =>
    Effect.gen(function*() {
      const { batchSize, consumer } = yield* input("consume", Options)(request)
      const next = yield* nextEvents
      const reset = (epoch: JournalEpoch) =>
        Effect.suspend(() => {
          const error = new JournalReset({ epoch })
          return onReset === undefined ? Effect.logWarning(`consumer ${consumer}: ${error.message}`) : onReset(error)
        })

      /** Consumes until the epoch changes. */
      const consumeEpoch = Effect.gen(function*() {
        const { epoch, isReset, position } = yield* retryWhileUnavailable(consumer, enroll(consumer))
        if (isReset) {
          yield* reset(epoch)
          yield* retryWhileUnavailable(consumer, enterEpoch(consumer, epoch))
        }
        let afterPosition = position
        while (true) {
          const found = yield* inEpoch(retryWhileUnavailable(consumer, next("consume", { afterPosition, epoch }, batchSize)))
          if (Option.isNone(found)) return
          // A handler that throws before it returns an effect dies inside this one.
          yield* Effect.suspend(() => handler(found.value))
          const last = found.value.at(-1)?.position ?? afterPosition
          const acknowledged = yield* inEpoch(retryWhileUnavailable(consumer, acknowledge({ consumer, position: last, epoch })))
          if (Option.isNone(acknowledged)) return
          afterPosition = acknowledged.value
        }
      })
      return yield* Effect.forever(consumeEpoch)
    }).pipe(Effect.scoped)
}

/** Returns `None` when the epoch has changed. */
const inEpoch = <A, E>(effect: Effect.Effect<A, E | JournalReset>): Effect.Effect<Option.Option<A>, Exclude<E, JournalReset>> =>
  Effect.catchIf(Effect.asSome(effect), (error): error is JournalReset => isTaggedAs<JournalReset>("JournalReset")(error), () => Effect.succeedNone)

/** Repeats while the database is busy or unavailable. Fails when it was closed, or its file replaced: it stays so. */
const retryWhileUnavailable = <A, E extends { readonly _tag: string; readonly message: string }>(
  consumer: string,
  effect: Effect.Effect<A, E | PersistenceError>
): Effect.Effect<A, E | PersistenceError> =>
  effect.pipe(
    Effect.tapError((error) => isTransient(error) ? Effect.logWarning(`consumer ${consumer}: ${error.message}`) : Effect.void),
    Effect.retry({ while: isTransient, schedule: backoff })
  )

