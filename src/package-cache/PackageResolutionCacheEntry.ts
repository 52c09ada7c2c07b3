/**
 * Entries of the package resolution cache: the resolution of a package query, until it expires.
 */
import { Schema } from "effect"
import { Count, idOf, maxNameLength, Timestamp } from "../sql/columns.js"
import { documentOf, Json } from "../sql/json.js"
import { durationBetween } from "../sql/durations.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { ConcreteOsFamily } from "../payloads/enumerations.js"
import { isPackageQuery, normalizePackageQuery, PackageResolution } from "../payloads/PackageResolution.js"

/** The key of an entry, as `packageResolutionKey` builds it: `<os>:<normalized query>`. */
export const PackageResolutionKey = idOf("PackageResolutionKey")
export type PackageResolutionKey = typeof PackageResolutionKey.Type

/** One row of `package_resolution_cache_entries`. */
export class PackageResolutionCacheEntry extends Model.Class<PackageResolutionCacheEntry>(
  "PackageResolutionCacheEntry"
)(
  {
    query: PackageResolutionKey,
    resolutionPayload: Json(PackageResolution),
    fetchedAt: Timestamp,
    /** The instant from which `get` no longer returns the entry. */
    expiresAt: Timestamp,
    lastUsedAt: Timestamp,
    /** The number of hits: calls of `get` that returned the entry. */
    hitCount: Count
  },
  table({
    name: "package_resolution_cache_entries",
    service: "PackageResolutionCacheRepo",
    purpose: "The resolutions of package queries on each operating system, with their expiry."
  })
) {}

const isKey = (key: string) => {
  const [os, ...query] = key.split(":")
  return ConcreteOsFamily.literals.some((known) => known === os) && isPackageQuery(query.join(":"))
}

/** A query in a request: an operating system and a package name. Decoding trims it and converts it to lower case. */
export const PackageCacheQuery = Schema.transform(
  Schema.String,
  PackageResolutionKey.pipe(
    Schema.filter(isKey, {
      message: () => "must be <arch|fedora|nix>:<package>",
      arbitrary: () => (fc) =>
        fc
          .tuple(fc.constantFrom(...ConcreteOsFamily.literals), fc.stringMatching(/^[a-z]{1,20}$/))
          .map(([os, name]) => PackageResolutionKey.make(`${os}:${name}`))
    })
  ),
  // The key refuses a longer text anyway, and converting 200 MB takes longer than a statement.
  {
    strict: true,
    decode: (query) => (query.length > maxNameLength ? query : normalizePackageQuery(query)),
    encode: (key) => key
  }
)

/** The time from the storing of an entry to its expiry: 1 ms to 10 years. */
export const TimeToLive = durationBetween("1 milli", "3650 days", "must be a duration from 1 ms to 10 years")

/**
 * Input for storing a resolution. With `ttl`, `fetchedAt` is now and `expiresAt` follows from it; without, both are
 * those of the resolution. A resolution of status `invalid` is refused.
 */
export const StoreResolution = Schema.Struct({
  query: PackageCacheQuery,
  resolution: documentOf(PackageResolution).pipe(
    Schema.filter(({ status }) => status !== "invalid", { message: () => "an invalid query is not cached" })
  ),
  ttl: Schema.optional(TimeToLive)
})
