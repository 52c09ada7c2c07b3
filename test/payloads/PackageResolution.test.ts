import { describe, expect, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import {
  formatGithubInstallationRepositoryRef,
  isPackageQuery,
  normalizePackageQuery,
  PackageResolution,
  packageResolutionKey,
  PackageResolutionStatus,
  packageResolutionTimeToLive,
  parseGithubInstallationRepositoryRef,
  UtcDateTimeString
} from "../../src/payloads/index.js"
import { decode, issues, paths, survivesJson } from "./support.js"

const resolution = {
  requested: "NodeJS",
  normalized: "nodejs",
  status: "resolved",
  source: "repology",
  osSupport: {
    arch: {
      supported: true,
      repo: "extra",
      packageName: "nodejs",
      projectName: "nodejs",
      version: "22.1",
      status: "newest"
    },
    fedora: { supported: true, packageName: "nodejs" },
    nix: { supported: false }
  },
  fetchedAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-08T00:00:00Z"
}

describe("PackageResolution", () => {
  it("decodes, with an empty list of alternatives by default", () => {
    expect(decode(PackageResolution, resolution)).toStrictEqual({ ...resolution, alternatives: [] })
    const more = {
      ...resolution,
      canonicalId: "nodejs",
      selectedProject: "nodejs",
      alternatives: [{ projectName: "nodejs-lts" }]
    }
    expect(decode(PackageResolution, more)).toStrictEqual(more)
  })

  it.each<[string, object, ReadonlyArray<string>]>([
    ["another status", { status: "found" }, ["status"]],
    ["another source", { source: "npm" }, ["source"]],
    ["a system too few", { osSupport: { arch: { supported: true }, nix: { supported: true } } }, ["osSupport.fedora"]],
    [
      "a system too many",
      { osSupport: { ...resolution.osSupport, debian: { supported: true } } },
      ["osSupport.debian"]
    ],
    [
      "a blank version",
      { osSupport: { ...resolution.osSupport, nix: { supported: true, version: " " } } },
      ["osSupport.nix.version"]
    ],
    ["an alternative as a text", { alternatives: ["a"] }, ["alternatives.0"]],
    ["null", { canonicalId: null }, ["canonicalId"]],
    ["times that are none", { fetchedAt: "yesterday", expiresAt: 5 }, ["fetchedAt", "expiresAt"]]
  ])("rejects %s", (_, part, expected) => {
    expect(paths(PackageResolution, { ...resolution, ...part })).toEqual(expected)
  })

  it.each([
    ["2026-02-28T23:59:59Z", true],
    ["2026-02-28T23:59:59.123456Z", true],
    ["2026-02-28T23:59Z", true],
    ["2024-02-29T00:00:00Z", true],
    ["2026-02-28T23:59:59+00:00", false],
    ["2026-02-28T23:59:59", false],
    ["2026-02-28", false],
    ["2026-02-29T00:00:00Z", false],
    ["2026-13-01T00:00:00Z", false],
    ["2026-02-28T24:00:00Z", false],
    ["2026-02-28 00:00:00Z", false],
    [" 2026-02-28T00:00:00Z", false]
  ])("%s is a valid instant: %s", (text, legal) => {
    expect(issues(UtcDateTimeString, text)).toEqual(legal ? [] : [["", "must be an ISO date and time that ends in Z"]])
  })

  it("is unchanged by a round trip through JSON", () => survivesJson(PackageResolution))
})

const days = (duration: Option.Option<Duration.Duration>) =>
  Option.getOrUndefined(Option.map(duration, Duration.toDays))

describe("cache", () => {
  it.each(["git", "g++", "c", "7zip", "python3.12", "lib:amd64", "gtk-4", "a_b", "a+b"])(
    "%s is a valid query",
    (query) => {
      expect(isPackageQuery(query)).toBe(true)
      expect(packageResolutionKey("nix", query)).toStrictEqual(Option.some(`nix:${query}`))
    }
  )

  it.each(["", " ", "-git", ".git", "_a", "a b", "a/b", "a@1", "é", "git\n;rm"])("%j is not a valid query", (query) => {
    expect(isPackageQuery(normalizePackageQuery(query))).toBe(false)
    expect(packageResolutionKey("arch", query)).toStrictEqual(Option.none())
  })

  it("trims queries and converts them to lower case", () => {
    expect(normalizePackageQuery("  NodeJS\n")).toBe("nodejs")
    expect(packageResolutionKey("fedora", "  NodeJS\n")).toStrictEqual(Option.some("fedora:nodejs"))
    expect(isPackageQuery("NodeJS")).toBe(false)
    expect(isPackageQuery("nodejs\n")).toBe(false)
  })

  it.each([
    ["resolved", 7, 30],
    ["ambiguous", 1, 30],
    ["unsupported", 1, 30],
    ["not-found", 1, 30],
    ["invalid", undefined, undefined]
  ] as const)("%s is kept for %s days, from the catalog %s", (status, plain, catalog) => {
    expect(days(packageResolutionTimeToLive(status))).toBe(plain)
    expect(days(packageResolutionTimeToLive(status, { catalog: false }))).toBe(plain)
    expect(days(packageResolutionTimeToLive(status, { catalog: true }))).toBe(catalog)
    expect(PackageResolutionStatus.literals).toContain(status)
  })
})

describe("authRef", () => {
  it("contains the id of an installation", () => {
    expect(formatGithubInstallationRepositoryRef("ghr_1")).toBe("github-installation-repository:ghr_1")
    expect(parseGithubInstallationRepositoryRef(formatGithubInstallationRepositoryRef("a:b"))).toStrictEqual(
      Option.some("a:b")
    )
  })

  it.each([
    "",
    "github-installation-repository:",
    "github-installation-repository:  ",
    "github-installation-repository",
    "secret:1"
  ])("%j contains no id", (authRef) => {
    expect(parseGithubInstallationRepositoryRef(authRef)).toStrictEqual(Option.none())
  })
})
