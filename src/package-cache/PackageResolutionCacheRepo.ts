/**
 * The cache of package resolutions, over the table `package_resolution_cache_entries`.
 *
 * What it guarantees:
 * - Every hit is counted once, whoever else asks at the same moment.
 * - In one process, one resolver at a time works on a key; who waited for it finds what it stored.
 * - A stored resolution that cannot be read any more is a miss, and the next one takes its place.
 */
import type { SqlClient } from "@effect/sql"
import { Context, type Duration, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { InvalidInput, PersistenceError } from "../Errors.js"
import type { PackageResolution } from "../payloads/PackageResolution.js"
import { make } from "./makePackageResolutionCacheRepo.js"
import type { PackageResolutionCacheEntry, StoreResolution } from "./PackageResolutionCacheEntry.js"

/** What is to be found, and how when it is not there. */
export interface ResolveRequest<E, R> {
  readonly query: string
  /** Asked when the cache has nothing that lives. */
  readonly resolve: Effect.Effect<typeof PackageResolution.Encoded, E, R>
  /** As in `upsert`. */
  readonly ttl?: Duration.DurationInput
  /** Whether an expired entry will do when resolving fails. Default false. */
  readonly serveExpired?: boolean
}

/**
 * Methods of `PackageResolutionCacheRepo`. Queries are `<os>:<package>`; case and space around them do not matter.
 *
 * Internal: the cache is shared by all users and is not for request handlers.
 */
export interface PackageResolutionCacheService {
  /** The entry that lives, and counts the hit. Fails with `InvalidInput` for what is no query. */
  readonly get: (query: string) => Effect.Effect<Option.Option<PackageResolutionCacheEntry>, InvalidInput | PersistenceError>

  /** The entry, expired or not, and counts nothing. Fails with `InvalidInput` for what is no query. */
  readonly peek: (query: string) => Effect.Effect<Option.Option<PackageResolutionCacheEntry>, InvalidInput | PersistenceError>

  /**
   * Keeps a resolution, in place of the one before; the hits stay counted. Fails with `InvalidInput` for what is no query,
   * a resolution out of shape or of status `invalid`, or a time to live that is not from 1 ms to 10 years.
   */
  readonly upsert: (
    entry: typeof StoreResolution.Encoded
  ) => Effect.Effect<PackageResolutionCacheEntry, InvalidInput | PersistenceError>

  /**
   * The resolution that lives, as `get` finds it, or what `resolve` gives, which is then kept; one of status `invalid` is
   * given and not kept. Callers for the same key wait for each other: after a success they find it, after a failure or
   * an interruption the next one tries. A caller in a transaction waits for nobody, and resolves by itself.
   *
   * Fails as `resolve` does, unless an expired entry may be served and there is one; with `InvalidInput` as `upsert` does.
   */
  readonly getOrResolve: <E, R>(
    request: ResolveRequest<E, R>
  ) => Effect.Effect<PackageResolution, E | InvalidInput | PersistenceError, R>

  /**
   * Removes up to `limit` entries that have expired, the longest expired first, and says how many. Fails with
   * `InvalidInput` for a limit that is not a whole number from 1 to 1,000.
   */
  readonly purgeExpired: (limit: number) => Effect.Effect<number, InvalidInput | PersistenceError>
}

export class PackageResolutionCacheRepo extends Context.Tag("@sealant/db/PackageResolutionCacheRepo")<
  PackageResolutionCacheRepo,
  PackageResolutionCacheService
>() {
  /** The cache over `SqlClient`. */
  static readonly layer: Layer.Layer<PackageResolutionCacheRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
