/**
 * What a package query resolved to, kept until it expires.
 */
import { Schema } from "effect"
import { Count, documentOf, idOf, Json, Timestamp } from "../sql/columns.js"
import { durationBetween } from "../sql/durations.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { ConcreteOsFamily } from "../payloads/enumerations.js"
import { isPackageQuery, normalizePackageQuery, PackageResolution } from "../payloads/PackageResolution.js"

/** The key of an entry, `<os>:<normalized query>` as `packageResolutionKey` makes it. */
export const PackageResolutionKey = idOf("PackageResolutionKey")
export type PackageResolutionKey = typeof PackageResolutionKey.Type

/** One row of `package_resolution_cache_entries`. */
export class PackageResolutionCacheEntry extends Model.Class<PackageResolutionCacheEntry>("PackageResolutionCacheEntry")({
  query: PackageResolutionKey,
  resolutionPayload: Json(PackageResolution),
  fetchedAt: Timestamp,
  /** From this instant on it is none. */
  expiresAt: Timestamp,
  lastUsedAt: Timestamp,
  /** How often it was asked for and found. */
  hitCount: Count
}, table({
  name: "package_resolution_cache_entries",
  service: "PackageResolutionCacheRepo",
  purpose: "What package queries resolved to on each operating system, until it expires."
})) {}

const isKey = (key: string) => {
  const [os, ...query] = key.split(":")
  return ConcreteOsFamily.literals.some((known) => known === os) && isPackageQuery(query.join(":"))
}

/** A key as callers give it: trimmed and in lower case, then an operating system and the name of a package. */
export const PackageCacheQuery = Schema.transform(Schema.String, PackageResolutionKey.pipe(
  Schema.filter(isKey, { message: () => "must be <arch|fedora|nix>:<package>" })
), { strict: true, decode: (query) => normalizePackageQuery(query), encode: (key) => key })

/** How long an entry lives: 1 ms to 10 years. */
export const TimeToLive = durationBetween("1 milli", "3650 days", "must be a duration from 1 ms to 10 years")

/**
 * What is to be kept. `ttl` given, it was fetched now and lives so long; left out, the resolution says when it was
 * fetched and until when it holds. A resolution of status `invalid` is not kept.
 */
export const StoreResolution = Schema.Struct({
  query: PackageCacheQuery,
  resolution: documentOf(PackageResolution).pipe(
    Schema.filter(({ status }) => status !== "invalid", { message: () => "an invalid query is not cached" })
  ),
  ttl: Schema.optional(TimeToLive)
})
