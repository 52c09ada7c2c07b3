/**
 * What a package name means on each operating system, and how long that is worth keeping.
 *
 * Stored in `package_resolution_cache_entries.resolution_payload`. The rules are those of section 7
 * of the description of the payloads.
 */
import { Duration, Option, Schema } from "effect"
import { AnyString, type ConcreteOsFamily, Flag, Text } from "./enumerations.js"
import { list, oneOf, optional, strict } from "./shapes.js"

/** How the look-up of a package ended. */
export const PackageResolutionStatus = oneOf("resolved", "ambiguous", "unsupported", "not-found", "invalid")
export type PackageResolutionStatus = typeof PackageResolutionStatus.Type

/** Where a resolution comes from. */
export const PackageResolutionSource = oneOf("cache", "repology", "override")
export type PackageResolutionSource = typeof PackageResolutionSource.Type

const isUtcDateTime = (text: string) => {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z$/.test(text)) return false
  const instant = new Date(text)
  // The engine reads the 31st of April as the 1st of May; such a date does not come back as it was.
  return !Number.isNaN(instant.getTime()) && instant.toISOString().slice(0, 16) === text.slice(0, 16)
}

/** An ISO 8601 date and time in UTC, with the `Z`, kept as text. */
export const UtcDateTimeString = AnyString.pipe(
  Schema.filter(isUtcDateTime, {
    message: () => "must be an ISO date and time that ends in Z",
    jsonSchema: { format: "date-time" },
    arbitrary: () => (check) =>
      check.date({ min: new Date(0), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
        .map((date) => date.toISOString())
  })
)
export type UtcDateTimeString = typeof UtcDateTimeString.Type

/** Whether one operating system has the package, and under what name. */
export const PackageOsSupport = strict({
  supported: Flag,
  repo: optional(Text),
  packageName: optional(Text),
  projectName: optional(Text),
  version: optional(Text),
  status: optional(Text)
})
export type PackageOsSupport = typeof PackageOsSupport.Type

/** The outcome of looking a package up: for each operating system, and until when it holds. */
export const PackageResolution = strict({
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
}, { alternatives: [] }).annotations({ identifier: "PackageResolution" })
export type PackageResolution = typeof PackageResolution.Type

/** A query as the cache knows it: trimmed and in lower case. */
export const normalizePackageQuery = (query: string): string => query.trim().toLowerCase()

/** Whether a normalized query can be the name of a package. What cannot is `invalid`, and is not cached. */
export const isPackageQuery = (normalized: string): boolean => /^[a-z0-9][a-z0-9._:+-]*$/.test(normalized)

/**
 * The key under which a resolution is cached: `<os>:<normalized query>`. `None` for a query that
 * cannot be the name of a package.
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
 * How long a resolution holds: 30 days if it stands in the catalog (`catalog: true`), else 7 days if
 * it was resolved and 24 hours if not. `None` for an invalid query, which is not cached.
 */
export const packageResolutionTimeToLive = (
  status: PackageResolutionStatus,
  options?: { readonly catalog?: boolean | undefined }
): Option.Option<Duration.Duration> => {
  if (status === "invalid") return Option.none()
  if (options?.catalog === true) return Option.some(Duration.days(30))
  return Option.some(status === "resolved" ? Duration.days(7) : Duration.hours(24))
}
