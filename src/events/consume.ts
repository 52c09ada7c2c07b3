/**
 * `ControlPlaneEvents.consume`: delivers unacknowledged events to a named consumer until its handler fails.
 */
import type { SqlClient, SqlError, Statement } from "@effect/sql"
import { Clock, Effect, Option, Schema, type Scope } from "effect"
import type {
  Acknowledge,
  ControlPlaneEvent,
  ControlPlaneEventConsumer,
  JournalEpoch,
  JournalState
} from "./ControlPlaneEvent.js"
import { type InvalidInput, JournalReset, type PersistenceError } from "../Errors.js"
import { Name } from "../sql/columns.js"
import { operations } from "../sql/operations.js"
import type { CorruptRow, RowsOf } from "../sql/rows.js"
import { isTaggedAs } from "../sql/tagged.js"
import { backoff, isTransient } from "../sql/retry.js"

const { decodeInput, traced } = operations("ControlPlaneEvents", "ControlPlaneEvent")

const maxBatchSize = 500

const Options = Schema.Struct({
  consumer: Name,
  batchSize: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, maxBatchSize)), { default: () => 100 })
})

interface Request<E, R> {
  readonly consumer: string
  readonly batchSize?: number | undefined
  readonly onReset?: ((reset: JournalReset) => Effect.Effect<void, E, R>) | undefined
}

interface Journal {
  readonly sql: SqlClient.SqlClient
  readonly consumers: RowsOf<ControlPlaneEventConsumer>
  readonly consumerColumns: Statement.Fragment
  readonly state: Effect.Effect<JournalState, SqlError.SqlError | CorruptRow>
  readonly nextEvents: Effect.Effect<NextEvents, never, Scope.Scope>
  readonly acknowledge: (
    request: typeof Acknowledge.Encoded
  ) => Effect.Effect<number, InvalidInput | JournalReset | PersistenceError>
}

type NextEvents = (
  method: string,
  place: { readonly afterPosition: number; readonly epoch?: JournalEpoch | undefined },
  limit: number
) => Effect.Effect<ReadonlyArray<ControlPlaneEvent>, InvalidInput | JournalReset | PersistenceError>

export const makeConsume = ({ acknowledge, consumerColumns, consumers, nextEvents, sql, state }: Journal) => {
  /**
   * Returns the position of the consumer, which is created if it does not exist, and the current epoch of the journal.
   */
  const enroll = (name: string) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { position, ...row } = yield* consumers.single(sql`
        INSERT INTO control_plane_event_consumers (name, position, updated_at, epoch)
        VALUES (${name}, 0, ${now}, (SELECT epoch FROM control_plane_journal WHERE id = 1))
        ON CONFLICT (name) DO UPDATE SET epoch = coalesce(epoch, excluded.epoch)
        RETURNING ${consumerColumns}`)
      const { epoch } = yield* state
      return { position, epoch, isReset: Option.isSome(row.epoch) && row.epoch.value !== epoch }
    }).pipe(traced("consume", []))

  const enterEpoch = (name: string, epoch: JournalEpoch) =>
    sql`UPDATE control_plane_event_consumers SET epoch = ${epoch} WHERE name = ${name}`.pipe(traced("consume", []))

  return <E, R, E2 = never, R2 = never>(
    { onReset, ...request }: Request<E2, R2>,
    handler: (events: ReadonlyArray<ControlPlaneEvent>) => Effect.Effect<void, E, R>
  ): Effect.Effect<never, E | E2 | InvalidInput | PersistenceError, R | R2> =>
    Effect.gen(function* () {
      const { batchSize, consumer } = yield* decodeInput("consume", Options)(request)
      const next = yield* nextEvents
      const reset = (epoch: JournalEpoch): Effect.Effect<void, E2, R2> =>
        Effect.suspend(() => {
          const error = new JournalReset({ epoch })
          return onReset === undefined ? Effect.logWarning(`consumer ${consumer}: ${error.message}`) : onReset(error)
        })

      /** Consumes until the epoch changes. */
      const consumeEpoch = Effect.gen(function* () {
        const { epoch, isReset, position } = yield* retryWhileUnavailable(consumer, enroll(consumer))
        if (isReset) {
          yield* reset(epoch)
          yield* retryWhileUnavailable(consumer, enterEpoch(consumer, epoch))
        }
        let afterPosition = position
        while (true) {
          const found = yield* inEpoch(
            retryWhileUnavailable(consumer, next("consume", { afterPosition, epoch }, batchSize))
          )
          if (Option.isNone(found)) return
          // `suspend` turns an exception of the handler into a defect of this effect.
          yield* Effect.suspend(() => handler(found.value))
          const last = found.value.at(-1)?.position ?? afterPosition
          const acknowledged = yield* inEpoch(
            retryWhileUnavailable(consumer, acknowledge({ consumer, position: last, epoch }))
          )
          if (Option.isNone(acknowledged)) return
          afterPosition = acknowledged.value
        }
      })
      return yield* Effect.forever(consumeEpoch)
    }).pipe(Effect.scoped)
}

const isJournalReset = isTaggedAs<JournalReset>("JournalReset")

/** Returns `None` when the epoch has changed. */
const inEpoch = <A, E>(
  effect: Effect.Effect<A, E | JournalReset>
): Effect.Effect<Option.Option<A>, Exclude<E, JournalReset>> =>
  Effect.catchIf(
    Effect.asSome(effect),
    (error): error is JournalReset => isJournalReset(error),
    () => Effect.succeedNone
  )

/**
 * Repeats while the database is busy or unavailable. Fails if it was closed or its file replaced, which is permanent.
 */
const retryWhileUnavailable = <A, E extends { readonly _tag: string; readonly message: string }>(
  consumer: string,
  effect: Effect.Effect<A, E | PersistenceError>
): Effect.Effect<A, E | PersistenceError> =>
  effect.pipe(
    Effect.tapError((error) =>
      isTransient(error) ? Effect.logWarning(`consumer ${consumer}: ${error.message}`) : Effect.void
    ),
    Effect.retry({ while: isTransient, schedule: backoff })
  )
