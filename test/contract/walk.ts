/**
 * How the walks call any method of any service: with what it is called, under which eyes, and on a world that stays as it is.
 */
import { SqlClient } from "@effect/sql"
import { Cause, Chunk, Effect, Exit, Stream, TestClock } from "effect"
import { eventually } from "../support/eventLoop.js"
import { witness } from "../support/witness.js"

/** The arguments of a legal call. */
export type Arguments = ReadonlyArray<unknown>

export type Outcome = Exit.Exit<unknown, unknown>

/** What a service gives under a name: a method, or an effect without arguments. */
const invoke = (service: object, method: string, args: Arguments): unknown => {
  const member: unknown = Reflect.get(service, method)
  return typeof member === "function" ? Reflect.apply(member, service, [...args]) : member
}

const toEffect = (result: unknown): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => {
  if (Effect.isEffect(result)) return result as Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  // One element is enough to see that a stream is there: some never end.
  const stream = result as Stream.Stream<unknown, unknown, SqlClient.SqlClient>
  return Effect.map(Stream.runCollect(Stream.take(stream, 1)), Chunk.toReadonlyArray)
}

/** What a call is taken for that waits for time to pass: under the clock of the tests, it waits for ever. */
const waiting = "waits"

/** Until somebody sleeps who did not before. */
const asleep = Effect.flatMap(TestClock.sleeps(), (before) =>
  eventually(Effect.map(TestClock.sleeps(), (now) => Chunk.size(now) > Chunk.size(before)))
)

/** Calls a method. What it throws by itself is a defect, as what its effect dies of. */
export const call = (
  service: object,
  method: string,
  args: Arguments
): Effect.Effect<Outcome, never, SqlClient.SqlClient> =>
  Effect.suspend(() => toEffect(invoke(service, method, args))).pipe(
    Effect.raceFirst(Effect.as(asleep, waiting)),
    Effect.exit
  )

/** All rows of all tables, each as JSON, by the name of its table. */
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
  /** The rows that the call left, before they were taken back. */
  readonly after: ReadonlySet<string>
}

/** How many rows statements have changed on the one connection of a database in memory. It counts changes that are taken back, too. */
const changes = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ readonly count: number }>`SELECT total_changes() AS count`, ([row]) => row?.count)
).pipe(Effect.orDie)

/** The rows of a database before an attempt, which takes back what it changes. */
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

/** Calls a method on a database in memory and rolls back, without reading the rows after it. */
export const outcomeOf = (service: object, method: string, args: Arguments) => rolledBack(call(service, method, args))

/** What a person could see of a call that does not get its answer: spans, logs, and the error in every form it is shown in. */
export const shown = (
  service: object,
  method: string,
  args: Arguments
): Effect.Effect<string, never, SqlClient.SqlClient> =>
  Effect.suspend(() => {
    const { layer, tell, told } = witness()
    return attempt(service, method, args).pipe(
      Effect.map(({ outcome }) => {
        if (Exit.isFailure(outcome)) tell(outcome.cause, Cause.pretty(outcome.cause), JSON.stringify(outcome.cause))
        return told.join("\n")
      }),
      Effect.provide(layer)
    )
  })

/** What a walk goes into. A Redacted, a DateTime, a Duration and a function are taken whole. */
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

/** Every value of the arguments, also inside objects and arrays, with a way to put another in its place. */
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
