import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, FastCheck, Schema } from "effect"
import { applyProfiles, PartialUserWorkspaceSpec, toBlueprint, UserWorkspaceSpec } from "../../src/payloads/index.js"
import { readingOf } from "../../src/sql/decoder.js"

const url = "https://github.com/acme/app"
const minimal: UserWorkspaceSpec = { source: url, harness: "codex" }

const specifications = Arbitrary.make(UserWorkspaceSpec)
const profiles = Arbitrary.make(PartialUserWorkspaceSpec)

describe("applyProfiles", () => {
  it("returns the specification unchanged without profiles", () => {
    FastCheck.assert(
      FastCheck.property(specifications, (spec) => {
        expect(applyProfiles(spec)).toBe(spec)
        expect(applyProfiles(spec, {}, {})).toEqual(spec)
      })
    )
  })

  it("returns a valid specification that the same profiles do not change again", () => {
    FastCheck.assert(
      FastCheck.property(specifications, profiles, profiles, (spec, repositoryProfile, profile) => {
        const resolved = applyProfiles(spec, repositoryProfile, profile)
        expect(Schema.encodeSync(readingOf(UserWorkspaceSpec))(resolved)).toEqual(resolved)
        expect(applyProfiles(resolved, repositoryProfile, profile)).toEqual(resolved)
      })
    )
  })

  it("keeps each value of the specification, and then each value of the profile of the user", () => {
    const single = (spec: UserWorkspaceSpec) => {
      const { customization, harness, runtime, sources, target } = toBlueprint(spec)
      return { customization, env: runtime.env, harness: harness.id, network: runtime.network, sources, target }
    }
    FastCheck.assert(
      FastCheck.property(specifications, profiles, profiles, (spec, one, other) => {
        const resolved = single(applyProfiles(spec, one, other))
        const own = single(spec)
        expect(resolved.harness).toBe(own.harness)
        expect(resolved.sources.workspace).toEqual(own.sources.workspace)
        expect(resolved.env).toMatchObject({ ...own.env })
        for (const [key, value] of Object.entries(spec.customization ?? {})) {
          expect(resolved.customization).toHaveProperty(key, value)
        }
        expect(applyProfiles(spec, one, other)).toEqual(applyProfiles(applyProfiles(spec, undefined, other), one))
      })
    )
  })

  it.each<
    [string, Partial<UserWorkspaceSpec>, PartialUserWorkspaceSpec, PartialUserWorkspaceSpec, Partial<UserWorkspaceSpec>]
  >([
    [
      "merges env by key, under the name that the specification uses",
      { env: { A: "spec" } },
      { env: { A: "repository", B: "repository", C: "repository" } },
      { runtime: { env: { A: "user", B: "user" } } },
      { env: { A: "spec", B: "user", C: "repository" } }
    ],
    [
      "uses the long name of a setting that only profiles contain",
      {},
      { env: { A: "1" }, ssh: true, setup: ["npm ci"], os: "fedora" },
      {},
      {
        runtime: { env: { A: "1" } },
        access: { ssh: true },
        lifecycle: { setup: ["npm ci"] },
        target: { os: "fedora" }
      }
    ],
    [
      "runs the steps of the repository first, and each step once",
      { setup: ["spec", { run: "shared", shell: "bash" }] },
      { setup: ["repository", "shared", { id: "tools", run: "old" }] },
      { lifecycle: { setup: ["user", { id: "tools", run: "new" }] } },
      { setup: ["repository", "user", { id: "tools", run: "new" }, "spec", { run: "shared", shell: "bash" }] }
    ],
    [
      "keeps a step that one list contains twice",
      {},
      { setup: ["sync", "sync"] },
      {},
      { lifecycle: { setup: ["sync", "sync"] } }
    ],
    [
      "adds packages, and fills their versions",
      { packages: ["node", { id: "go", version: "1.22" }] },
      { packages: [{ id: "node", version: "22" }, { id: "go", version: "1.1" }, "jq"] },
      { tooling: { packages: ["ripgrep"] } },
      { packages: [{ id: "node", version: "22" }, { id: "go", version: "1.22" }, "ripgrep", "jq"] }
    ],
    [
      "fills a package that a profile names twice, and each version from the first that has one",
      { packages: ["go"] },
      { packages: ["go", { id: "go", version: "1.22" }, { id: "node", version: "22" }, "node"] },
      {},
      {
        packages: [
          { id: "go", version: "1.22" },
          { id: "node", version: "22" },
          { id: "node", version: "22" }
        ]
      }
    ],
    [
      "fills a package that only a profile names twice",
      {},
      { packages: [{ id: "node", version: "22" }, "node"] },
      {},
      {
        tooling: {
          packages: [
            { id: "node", version: "22" },
            { id: "node", version: "22" }
          ]
        }
      }
    ],
    [
      "keeps SSH disabled, and fills its settings",
      { ssh: false },
      { ssh: { enabled: true, listenPort: 2200 } },
      {},
      { ssh: { enabled: false, listenPort: 2200 } }
    ],
    [
      "keeps SSH enabled if the specification implies it",
      { ssh: { listenPort: 2200 } },
      { ssh: false },
      {},
      { ssh: { listenPort: 2200 } }
    ],
    [
      "fills the settings of the same harness only",
      { harness: "codex" },
      { harness: { id: "codex", profile: "fast" } },
      { harness: { id: "opencode", profile: "slow" } },
      { harness: { id: "codex", profile: "fast" } }
    ],
    [
      "does not take the mode of another operating system",
      { os: "nix" },
      { target: { os: { family: "fedora", mode: "require" }, runtime: "docker" } },
      {},
      { os: "nix", target: { runtime: "docker" } }
    ],
    [
      "merges the startup of both forms",
      { startup: "npm start" },
      { startup: ["npm ci"] },
      { startup: { steps: ["migrate"], foreground: "harness" } },
      { startup: { steps: ["npm ci", "migrate"], foreground: "npm start" } }
    ],
    [
      "adds inputs after those of the specification",
      { inputs: [{ kind: "git", id: "docs", purpose: "config", url: `${url}-docs` }] },
      {
        inputs: [
          { kind: "git", id: "docs", purpose: "config", url: `${url}-old` },
          { kind: "git", purpose: "config", url: `${url}-wiki` }
        ]
      },
      {},
      {
        inputs: [
          { kind: "git", id: "docs", purpose: "config", url: `${url}-docs` },
          { kind: "git", purpose: "config", url: `${url}-wiki` }
        ]
      }
    ],
    ["ignores the source of a profile", {}, { repo: `${url}-template` }, { sources: { workspace: `${url}-mine` } }, {}]
  ])("%s", (_, spec, repositoryProfile, profile, resolved) => {
    const expected = { ...minimal, ...resolved }
    expect(applyProfiles({ ...minimal, ...spec }, repositoryProfile, profile)).toEqual(expected)
    expect(applyProfiles(expected, repositoryProfile, profile)).toEqual(expected)
  })

  it("applies a profile with a source that new specifications may not have", () => {
    const stored = Schema.decodeUnknownSync(readingOf(PartialUserWorkspaceSpec))({
      inputs: [{ purpose: "config", url: "ext::tool" }]
    })
    expect(applyProfiles(minimal, stored).sources?.inputs).toHaveLength(1)
  })
})
