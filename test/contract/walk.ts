/**
 * Calls any method of any service on a database that is rolled back after each call.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Chunk, Effect, Exit, Stream, TestClock } from "effect"
import { eventually } from "../support/eventLoop.js"
import { collectOutput } from "../support/outputCollector.js"

/** The arguments of a valid call. */
export type Arguments = ReadonlyArray<unknown>

export type Outcome = Exit.Exit<unknown, unknown>

/** The value of a member of a service: a method is called, an effect without arguments is returned. */
const invoke = (service: object, method: string, args: Arguments): unknown => {
  const member: unknown = Reflect.get(service, method)
  return typeof member === "function" ? Reflect.apply(member, service, [...args]) : member
}

const toEffect = (result: unknown): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => {
  if (Effect.isEffect(result)) return result as Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  // One element is enough to check a stream, because some are endless.
  const stream = result as Stream.Stream<unknown, unknown, SqlClient.SqlClient>
  return Effect.map(Stream.runCollect(Stream.take(stream, 1)), Chunk.toReadonlyArray)
}

/** The result of a call that waits for time to pass, which never happens with the test clock. */
const waiting = "waits"

/** Succeeds when another fiber starts to sleep. */
const asleep = Effect.flatMap(TestClock.sleeps(), (before) =>
  eventually(Effect.map(TestClock.sleeps(), (now) => Chunk.size(now) > Chunk.size(before)))
)

/** Calls a method. An exception is a defect, as in an effect. */
export const call = (
  service: object,
  method: string,
  args: Arguments
): Effect.Effect<Outcome, never, SqlClient.SqlClient> =>
  Effect.suspend(() => toEffect(invoke(service, method, args))).pipe(
    Effect.raceFirst(Effect.as(asleep, waiting)),
    Effect.exit
  )

/** All rows of all tables as `table JSON`. */
export const dump = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name <> 'sealant_migrations' ORDER BY name`
  const rows = yield* Effect.forEach(tables, ({ name }) =>
    Effect.map(sql`SELECT * FROM ${sql(name)}`, (found) => found.map((row) => `${name} ${JSON.stringify(row)}`))
  )
  return new Set(rows.flat())
}).pipe(Effect.orDie)

export interface Trial {
  readonly outcome: Outcome
  /** The rows after the call, before the rollback. */
  readonly after: ReadonlySet<string>
}

/** The number of changed rows on the connection of a database in memory. Includes changes that were rolled back. */
const changes = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ readonly count: number }>`SELECT total_changes() AS count`, ([row]) => row?.count)
).pipe(Effect.orDie)

/** The rows of a database before an attempt, which rolls back its changes. */
const unchanged = new WeakMap<object, { readonly count: number | undefined; readonly rows: ReadonlySet<string> }>()

/** Runs an effect in a transaction that is rolled back, and returns its result. */
const rolledBack = <A>(
  effect: Effect.Effect<A, never, SqlClient.SqlClient>
): Effect.Effect<A, never, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.flatMap(effect, (result) => Effect.fail({ result })).pipe(
      (body) => sql.withTransaction(body),
      Effect.catchAll((error) => ("result" in error ? Effect.succeed(error.result) : Effect.die(error)))
    )
  )

/** Calls a method on a database in memory, reads the rows after it, and rolls back. Reads nothing if no row was changed. */
export const attempt = (
  service: object,
  method: string,
  args: Arguments
): Effect.Effect<Trial, never, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const known = unchanged.get(sql)
    const count = yield* changes
    const rows = known !== undefined && known.count === count ? known.rows : yield* dump
    const trial = yield* rolledBack(
      Effect.gen(function* () {
        const outcome = yield* call(service, method, args)
        return { outcome, after: (yield* changes) === count ? rows : yield* dump }
      })
    )
    unchanged.set(sql, { count: yield* changes, rows })
    return trial
  })

/**
 * Calls a method on a database in memory and rolls back. Reads the rows after it only if the call failed and rows were
 * changed: undefined means that they were not read.
 */
export const attemptRefused = (service: object, method: string, args: Arguments) =>
  rolledBack(
    Effect.gen(function* () {
      const count = yield* changes
      const outcome = yield* call(service, method, args)
      const isRead = Exit.isFailure(outcome) && (yield* changes) !== count
      return { outcome, after: isRead ? yield* dump : undefined }
    })
  )

/** Calls a method on a database in memory and rolls back, without reading the rows after it. */
export const outcomeOf = (service: object, method: string, args: Arguments) => rolledBack(call(service, method, args))

/** Everything that is visible of a failed call: spans, logs, and the error in every form. */
export const shown = (
  service: object,
  method: string,
  args: Arguments
): Effect.Effect<string, never, SqlClient.SqlClient> =>
  Effect.suspend(() => {
    const { layer, record, output } = collectOutput()
    return outcomeOf(service, method, args).pipe(
      Effect.map((outcome) => {
        if (Exit.isFailure(outcome)) record(outcome.cause, Cause.pretty(outcome.cause), JSON.stringify(outcome.cause))
        return output.join("\n")
      }),
      Effect.provide(layer)
    )
  })

/** Whether a value is a plain object. A Redacted, a DateTime, a Duration and a function are not traversed. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype

interface Place {
  /** `0.envVars.1.value`: the first argument, its field, the second item. */
  readonly path: string
  readonly value: unknown
  readonly replacedBy: (other: unknown) => Arguments
}

/** Every value in the arguments, at every depth, with a function that replaces it. */
export const placesOf = (args: Arguments): ReadonlyArray<Place> => {
  const within = (value: unknown, path: string, replacedBy: Place["replacedBy"]): ReadonlyArray<Place> => {
    const here = { path, value, replacedBy }
    if (Array.isArray(value)) {
      return [
        here,
        ...value.flatMap((item, index) =>
          within(item, `${path}.${index}`, (other) => replacedBy(value.with(index, other)))
        )
      ]
    }
    if (!isRecord(value)) return [here]
    return [
      here,
      ...Object.entries(value).flatMap(([key, inner]) =>
        within(inner, `${path}.${key}`, (other) => replacedBy({ ...value, [key]: other }))
      )
    ]
  }
  return args.flatMap((arg, index) => within(arg, String(index), (other) => args.with(index, other)))
}
