/**
 * The statements and rules of `PackageResolutionCacheRepo`.
 */
import { SqlClient, type Statement } from "@effect/sql"
import { Array, Clock, DateTime, Duration, Effect, Option, Schema } from "effect"
import { documentOf } from "../sql/columns.js"
import { purgeOf } from "../sql/expiry.js"
import { operations, spanned } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { abilitiesOf } from "../libsql/registry.js"
import { PackageResolution } from "../payloads/PackageResolution.js"
import { PackageCacheQuery, PackageResolutionCacheEntry, StoreResolution } from "./PackageResolutionCacheEntry.js"
import type { PackageResolutionCacheService } from "./PackageResolutionCacheRepo.js"

const own = operations("PackageResolutionCacheRepo", "PackageResolutionCacheEntry")
const { input, read, write } = own

const encodeResolution = Schema.encodeSync(Schema.parseJson(PackageResolution))

/** When a resolution was fetched and until when it holds: it says so itself, or a time to live begins now. */
const timed = ({ resolution, ttl }: Pick<typeof StoreResolution.Type, "resolution" | "ttl">, now: number): PackageResolution =>
  ttl === undefined
    ? resolution
    : { ...resolution, fetchedAt: isoOf(now), expiresAt: isoOf(now + Math.ceil(Duration.toMillis(ttl))) }

const isoOf = (millis: number) => DateTime.formatIso(DateTime.unsafeMake(millis))
const millisOf = (iso: string) => DateTime.toEpochMillis(DateTime.unsafeMake(iso))

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(PackageResolutionCacheEntry))
  const entries = yield* rowsOf(PackageResolutionCacheEntry)
  const alone = oneAtATime()
  const isInTransaction = abilitiesOf(sql)?.isInTransaction ?? Effect.succeed(true)

  /** The entry of a statement, where there is one that can be read. */
  const readable = (statement: Statement.Statement<Readonly<Record<string, unknown>>>) =>
    Effect.map(entries.each(statement), (found) => Array.head(Array.getRights(found)))

  const get: PackageResolutionCacheService["get"] = (query) =>
    Effect.gen(function*() {
      const key = yield* input("get", PackageCacheQuery)(query)
      const now = yield* Clock.currentTimeMillis
      return yield* readable(sql`
        UPDATE package_resolution_cache_entries SET hit_count = hit_count + 1, last_used_at = max(last_used_at, ${now})
        WHERE query = ${key} AND expires_at > ${now}
        RETURNING ${columns}`)
    }).pipe(read("get"))

  const peek: PackageResolutionCacheService["peek"] = (query) =>
    input("peek", PackageCacheQuery)(query).pipe(
      Effect.flatMap((key) => readable(sql`SELECT ${columns} FROM package_resolution_cache_entries WHERE query = ${key}`)),
      read("peek")
    )

  const upsert: PackageResolutionCacheService["upsert"] = (request) =>
    Effect.gen(function*() {
      const given = yield* input("upsert", StoreResolution)(request)
      const now = yield* Clock.currentTimeMillis
      const resolution = timed(given, now)
      return yield* entries.one(sql`
        INSERT INTO package_resolution_cache_entries (query, resolution_payload, fetched_at, expires_at, last_used_at)
        VALUES (${given.query}, ${encodeResolution(resolution)}, ${millisOf(resolution.fetchedAt)},
          ${millisOf(resolution.expiresAt)}, ${now})
        ON CONFLICT (query) DO UPDATE SET
          resolution_payload = excluded.resolution_payload, fetched_at = excluded.fetched_at,
          expires_at = excluded.expires_at, last_used_at = max(last_used_at, excluded.last_used_at)
        RETURNING ${columns}`)
    }).pipe(write("upsert", ["InvalidInput"]))

  const getOrResolve: PackageResolutionCacheService["getOrResolve"] = ({ query, resolve, serveExpired = false, ttl }) =>
    Effect.gen(function*() {
      const key = yield* input("getOrResolve", PackageCacheQuery)(query)
      const kept = Effect.map(get(key), Option.map(({ resolutionPayload }) => resolutionPayload))
      const resolved = Effect.gen(function*() {
        // Whoever was before may have stored it.
        const found = yield* kept
        if (Option.isSome(found)) return found.value
        const outcome = yield* Effect.either(resolve)
        if (outcome._tag === "Right") return yield* keep(key, outcome.right, ttl)
        const expired = serveExpired ? yield* peek(key) : Option.none()
        return Option.isSome(expired) ? expired.value.resolutionPayload : yield* Effect.fail(outcome.left)
      })
      const found = yield* kept
      if (Option.isSome(found)) return found.value
      // Who has the turn may be waiting to write until this transaction is over, so it must not wait for the turn.
      return yield* (yield* isInTransaction) ? resolved : alone(key, resolved)
    }).pipe((whole) => spanned(whole, "PackageResolutionCacheRepo.getOrResolve"))

  const keep = (query: string, given: typeof PackageResolution.Encoded, ttl: Duration.DurationInput | undefined) =>
    Effect.flatMap(input("getOrResolve", documentOf(PackageResolution))(given), (resolution) =>
      resolution.status === "invalid"
        ? Effect.succeed(resolution)
        : Effect.map(upsert({ query, resolution: given, ttl }), ({ resolutionPayload }) => resolutionPayload))

  const service: PackageResolutionCacheService = {
    get,
    peek,
    upsert,
    getOrResolve,
    purgeExpired: purgeOf(sql, own, "package_resolution_cache_entries", "query")
  }
  return service
})

/** Lets one effect at a time run for a key, in the order in which they came. */
const oneAtATime = () => {
  const turns = new Map<string, { readonly turn: Effect.Semaphore; waiting: number }>()
  const join = (key: string) => {
    const entry = turns.get(key) ?? { turn: Effect.unsafeMakeSemaphore(1), waiting: 0 }
    entry.waiting++
    turns.set(key, entry)
    return entry
  }
  return <A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => join(key)),
      ({ turn }) => turn.withPermits(1)(effect),
      (entry) => Effect.sync(() => --entry.waiting === 0 && turns.delete(key))
    )
}
