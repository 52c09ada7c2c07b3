/**
 * Package resolutions: the support of a package on each operating system, and the lifetime of a cached result.
 *
 * Stored in `package_resolution_cache_entries.resolution_payload`.
 */
import { Duration, Option, Schema } from "effect"
import { AnyString, type ConcreteOsFamily, Flag, Text } from "./enumerations.js"
import { list, oneOf, optional, strict } from "./shapes.js"

/** The outcome of the resolution of a package. */
export const PackageResolutionStatus = oneOf("resolved", "ambiguous", "unsupported", "not-found", "invalid")
export type PackageResolutionStatus = typeof PackageResolutionStatus.Type

/** The source of a resolution. */
export const PackageResolutionSource = oneOf("cache", "repology", "override")
export type PackageResolutionSource = typeof PackageResolutionSource.Type

const isUtcDateTime = (text: string) => {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z$/.test(text)) return false
  const instant = new Date(text)
  // `Date` parses 31 April as 1 May. The comparison rejects such dates.
  return !Number.isNaN(instant.getTime()) && instant.toISOString().slice(0, 16) === text.slice(0, 16)
}

/** An ISO 8601 date and time in UTC, with the suffix `Z`, as text. */
export const UtcDateTimeString = AnyString.pipe(
  Schema.filter(isUtcDateTime, {
    message: () => "must be an ISO date and time that ends in Z",
    jsonSchema: { format: "date-time" },
    arbitrary: () => (check) =>
      check
        .date({ min: new Date(0), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
        .map((date) => date.toISOString())
  })
)
export type UtcDateTimeString = typeof UtcDateTimeString.Type

/** The availability and the name of a package on one operating system. */
export const PackageOsSupport = strict({
  supported: Flag,
  repo: optional(Text),
  packageName: optional(Text),
  projectName: optional(Text),
  version: optional(Text),
  status: optional(Text)
})
export type PackageOsSupport = typeof PackageOsSupport.Type

/** The result of the resolution of a package, for each operating system, with its time of expiry. */
export const PackageResolution = strict(
  {
    requested: Text,
    normalized: Text,
    status: PackageResolutionStatus,
    source: PackageResolutionSource,
    canonicalId: optional(Text),
    selectedProject: optional(Text),
    osSupport: strict({ arch: PackageOsSupport, fedora: PackageOsSupport, nix: PackageOsSupport }),
    alternatives: list(strict({ projectName: Text })),
    fetchedAt: UtcDateTimeString,
    expiresAt: UtcDateTimeString
  },
  { alternatives: [] }
).annotations({ identifier: "PackageResolution" })
export type PackageResolution = typeof PackageResolution.Type

/** Normalizes a query for the cache: trimmed, lower case. */
export const normalizePackageQuery = (query: string): string => query.trim().toLowerCase()

/**
 * Returns whether a normalized query is a valid package name. Invalid queries have the status `invalid` and are not
 * cached.
 */
export const isPackageQuery = (normalized: string): boolean => /^[a-z0-9][a-z0-9._:+-]*$/.test(normalized)

/**
 * Returns the cache key of a resolution: `<os>:<normalized query>`. `None` if the query is not a valid package name.
 *
 * @example
 * ```ts
 * import { packageResolutionKey } from "@sealant/db/payloads"
 *
 * packageResolutionKey("fedora", " NodeJS ") // Option.some("fedora:nodejs")
 * packageResolutionKey("fedora", "node js") // Option.none()
 * ```
 */
export const packageResolutionKey = (os: ConcreteOsFamily, query: string): Option.Option<string> =>
  Option.map(Option.liftPredicate(normalizePackageQuery(query), isPackageQuery), (normalized) => `${os}:${normalized}`)

/**
 * Returns the lifetime of a cached resolution: 30 days if the package is in the catalog (`catalog: true`), else 7 days
 * for the status `resolved` and 24 hours for all others. `None` for the status `invalid`, which is not cached.
 */
export const packageResolutionTimeToLive = (
  status: PackageResolutionStatus,
  options?: { readonly catalog?: boolean | undefined }
): Option.Option<Duration.Duration> => {
  if (status === "invalid") return Option.none()
  if (options?.catalog === true) return Option.some(Duration.days(30))
  return Option.some(status === "resolved" ? Duration.days(7) : Duration.hours(24))
}
