/**
 * The cache of package resolutions, over the table `package_resolution_cache_entries`.
 *
 * Guarantees:
 * - Each hit is counted once, also under concurrent calls.
 * - In one process, at most one caller resolves a key at a time, except in transactions. Callers that waited for it
 *   find the resolution that it stored.
 * - A stored resolution that cannot be decoded is a miss, and the next resolution replaces it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Statement } from "@effect/sql"
import { Array, Clock, Context, DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import { clientInternals } from "../libsql/registry.js"
import { PackageResolution } from "../payloads/PackageResolution.js"
import { documentOf } from "../sql/json.js"
import { purgeOf } from "../sql/expiry.js"
import { operations, spanned } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { PackageCacheQuery, PackageResolutionCacheEntry, StoreResolution } from "./PackageResolutionCacheEntry.js"
import { encoderOf } from "../sql/decoder.js"

/** Request of `getOrResolve`. */
export interface ResolveRequest<E, R> {
  readonly query: string
  /** Resolves the query. Runs when the cache has no entry, or an expired one. */
  readonly resolve: Effect.Effect<typeof PackageResolution.Encoded, E, R>
  /** As in `upsert`. */
  readonly ttl?: Duration.DurationInput | undefined
  /** Whether to return an expired entry when `resolve` fails. Default false. */
  readonly serveExpired?: boolean | undefined
}

/**
 * Methods of `PackageResolutionCacheRepo`. Queries have the form `<os>:<package>`; case and surrounding spaces are
 * ignored.
 *
 * Internal: the cache is shared by all users and is not for request handlers.
 */
export interface PackageResolutionCacheService {
  /**
   * Returns the entry if it has not expired, and counts the hit. Fails with `InvalidInput` if the query is invalid.
   */
  readonly get: (
    query: string
  ) => Effect.Effect<Option.Option<PackageResolutionCacheEntry>, InvalidInput | PersistenceError>

  /**
   * Returns the entry, expired or not, without counting a hit. Fails with `InvalidInput` if the query is invalid.
   */
  readonly peek: (
    query: string
  ) => Effect.Effect<Option.Option<PackageResolutionCacheEntry>, InvalidInput | PersistenceError>

  /**
   * Stores a resolution, or replaces the stored one and keeps its count of hits.
   *
   * Fails with `InvalidInput` if the query is invalid, the resolution is invalid or of status `invalid`, or the `ttl`
   * is not from 1 ms to 10 years.
   */
  readonly upsert: (
    entry: typeof StoreResolution.Encoded
  ) => Effect.Effect<PackageResolutionCacheEntry, InvalidInput | PersistenceError>

  /**
   * Returns the cached resolution as `get` does, or else runs `resolve` and stores the result. A result of status
   * `invalid` is returned, but not stored.
   *
   * Callers for the same key wait for each other. After a success they find the stored resolution; after a failure or
   * an interruption, the next one resolves. A caller in a transaction does not wait, and resolves by itself.
   *
   * Fails as `resolve` does, unless `serveExpired` is set and an expired entry exists. Fails with `InvalidInput` under
   * the conditions of `upsert`, except for the status `invalid`.
   */
  readonly getOrResolve: <E, R>(
    request: ResolveRequest<E, R>
  ) => Effect.Effect<PackageResolution, E | InvalidInput | PersistenceError, R>

  /**
   * Deletes up to `limit` expired entries, the longest expired first, and returns their number. Fails with
   * `InvalidInput` if `limit` is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

const own = operations("PackageResolutionCacheRepo", "PackageResolutionCacheEntry")
const { decodeInput, traced } = own

const encodeResolution = encoderOf(Schema.parseJson(PackageResolution))

/** Sets `fetchedAt` to now and `expiresAt` to the end of the `ttl`, if there is one. */
const withTtl = (
  { resolution, ttl }: Pick<typeof StoreResolution.Type, "resolution" | "ttl">,
  now: number
): PackageResolution =>
  ttl === undefined
    ? resolution
    : { ...resolution, fetchedAt: isoOf(now), expiresAt: isoOf(now + Math.ceil(Duration.toMillis(ttl))) }

const isoOf = (millis: number) => DateTime.formatIso(DateTime.unsafeMake(millis))
const millisOf = (iso: string) => DateTime.toEpochMillis(DateTime.unsafeMake(iso))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(PackageResolutionCacheEntry))
  const entries = yield* rowsOf(PackageResolutionCacheEntry)
  const oneAtATime = keyedMutex()
  const isInTransaction = clientInternals(sql)?.isInTransaction ?? Effect.succeed(true)

  /** Returns the entry of a statement, or `None` if there is no row or it cannot be decoded. */
  const firstReadable = (statement: Statement.Statement<Readonly<Record<string, unknown>>>) =>
    Effect.map(entries.each(statement), (found) => Array.head(Array.getRights(found)))

  const get: PackageResolutionCacheService["get"] = (query) =>
    Effect.gen(function* () {
      const key = yield* decodeInput("get", PackageCacheQuery)(query)
      const now = yield* Clock.currentTimeMillis
      return yield* firstReadable(sql`
        UPDATE package_resolution_cache_entries SET hit_count = hit_count + 1, last_used_at = max(last_used_at, ${now})
        WHERE query = ${key} AND expires_at > ${now}
        RETURNING ${columns}`)
    }).pipe(traced("get"))

  const peek: PackageResolutionCacheService["peek"] = (query) =>
    decodeInput(
      "peek",
      PackageCacheQuery
    )(query).pipe(
      Effect.flatMap((key) =>
        firstReadable(sql`SELECT ${columns} FROM package_resolution_cache_entries WHERE query = ${key}`)
      ),
      traced("peek")
    )

  const upsert: PackageResolutionCacheService["upsert"] = (request) =>
    Effect.gen(function* () {
      const entry = yield* decodeInput("upsert", StoreResolution)(request)
      const now = yield* Clock.currentTimeMillis
      const resolution = withTtl(entry, now)
      return yield* entries.single(sql`
        INSERT INTO package_resolution_cache_entries (query, resolution_payload, fetched_at, expires_at, last_used_at)
        VALUES (${entry.query}, ${encodeResolution(resolution)}, ${millisOf(resolution.fetchedAt)},
          ${millisOf(resolution.expiresAt)}, ${now})
        ON CONFLICT (query) DO UPDATE SET
          resolution_payload = excluded.resolution_payload, fetched_at = excluded.fetched_at,
          expires_at = excluded.expires_at, last_used_at = max(last_used_at, excluded.last_used_at)
        RETURNING ${columns}`)
    }).pipe(traced("upsert", ["InvalidInput"]))

  const getOrResolve: PackageResolutionCacheService["getOrResolve"] = ({ query, resolve, serveExpired = false, ttl }) =>
    Effect.gen(function* () {
      const key = yield* decodeInput("getOrResolve", PackageCacheQuery)(query)
      const cached = Effect.map(
        get(key),
        Option.map(({ resolutionPayload }) => resolutionPayload)
      )
      const resolved = Effect.gen(function* () {
        // The previous holder of the mutex may have stored the resolution.
        const found = yield* cached
        if (Option.isSome(found)) return found.value
        const outcome = yield* Effect.either(resolve)
        if (outcome._tag === "Right") return yield* store(key, outcome.right, ttl)
        const expired = serveExpired ? yield* peek(key) : Option.none()
        return Option.isSome(expired) ? expired.value.resolutionPayload : yield* Effect.fail(outcome.left)
      })
      const found = yield* cached
      if (Option.isSome(found)) return found.value
      // In a transaction, waiting could be a deadlock: the holder of the mutex may be waiting for this transaction to
      // end.
      return yield* (yield* isInTransaction) ? resolved : oneAtATime(key, resolved)
    }).pipe((whole) => spanned(whole, "PackageResolutionCacheRepo.getOrResolve"))

  const store = (query: string, encoded: typeof PackageResolution.Encoded, ttl: Duration.DurationInput | undefined) =>
    Effect.flatMap(decodeInput("getOrResolve", documentOf(PackageResolution))(encoded), (resolution) =>
      resolution.status === "invalid"
        ? Effect.succeed(resolution)
        : Effect.map(upsert({ query, resolution: encoded, ttl }), ({ resolutionPayload }) => resolutionPayload)
    )

  const service: PackageResolutionCacheService = {
    get,
    peek,
    upsert,
    getOrResolve,
    purgeExpired: purgeOf(sql, own, "package_resolution_cache_entries", "query")
  }
  return service
})

/** Runs one effect at a time for each key, in the order of the calls. */
const keyedMutex = () => {
  const mutexes = new Map<string, { readonly semaphore: Effect.Semaphore; users: number }>()
  const join = (key: string) => {
    const mutex = mutexes.get(key) ?? { semaphore: Effect.unsafeMakeSemaphore(1), users: 0 }
    mutex.users++
    mutexes.set(key, mutex)
    return mutex
  }
  return <A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => join(key)),
      ({ semaphore }) => semaphore.withPermits(1)(effect),
      (mutex) => Effect.sync(() => --mutex.users === 0 && mutexes.delete(key))
    )
}

/** The cache of package resolutions. */
export class PackageResolutionCacheRepo extends Context.Tag("@sealant/db/PackageResolutionCacheRepo")<
  PackageResolutionCacheRepo,
  PackageResolutionCacheService
>() {
  /** The cache over `SqlClient`. */
  static readonly layer: Layer.Layer<PackageResolutionCacheRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
