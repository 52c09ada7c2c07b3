/**
 * Factories of the package cache.
 */
import { DateTime, Effect } from "effect"
import { PackageResolutionCacheEntry } from "../package-cache/PackageResolutionCacheEntry.js"
import { defined, factory, type Given, insert, type Made } from "./rows.js"

const support = { supported: true, packageName: "ripgrep" } as const

/** Creates a cached resolution of `ripgrep` on Fedora, fetched now, which expires after a week. */
export const packageResolution = (given: Given<PackageResolutionCacheEntry> = {}): Made<PackageResolutionCacheEntry> =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    const fetchedAt = given.fetchedAt ?? now
    const expiresAt = given.expiresAt ?? DateTime.add(fetchedAt, { days: 7 })
    return yield* insert("package_resolution_cache_entries", PackageResolutionCacheEntry, {
      query: "fedora:ripgrep",
      resolutionPayload: {
        requested: "ripgrep",
        normalized: "ripgrep",
        status: "resolved",
        source: "repology",
        osSupport: { arch: support, fedora: support, nix: support },
        alternatives: [],
        fetchedAt: DateTime.formatIso(fetchedAt),
        expiresAt: DateTime.formatIso(expiresAt)
      },
      lastUsedAt: fetchedAt,
      ...defined(given),
      fetchedAt,
      expiresAt
    })
  }).pipe(factory("packageResolution"))
