import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { WorkspaceBlueprint } from "../../src/payloads/index.js"
import { decode, issues, paths, survivesJson } from "./support.js"

const url = "https://example.com/app.git"
const minimal = { sources: { workspace: { url } }, harness: { id: "codex" } }

const filled = {
  version: "1",
  sources: { workspace: { kind: "git", provider: "generic", url, ref: "main" }, inputs: [] },
  harness: { id: "codex" },
  access: { ssh: { enabled: false, listenPort: 2222 } },
  tooling: { packages: [] },
  customization: {
    defaultShell: "bash",
    dotfilesManager: "auto",
    dotfilesTarget: "home",
    applyDotfiles: true,
    dotfilesBootstrap: true
  },
  lifecycle: { setup: [], startup: { steps: [], foreground: { kind: "harness" } } },
  runtime: {
    env: {},
    workspaceRoot: "/workspace",
    workingDirectory: "/workspace/repo",
    persistence: "ephemeral",
    ociRuntime: "runc",
    network: { outbound: true }
  },
  target: { os: { family: "auto", mode: "prefer" }, runtime: { family: "auto", mode: "prefer" } }
}

describe("WorkspaceBlueprint", () => {
  it("fills in every default", () => {
    expect(decode(WorkspaceBlueprint, minimal)).toStrictEqual(filled)
    expect(Schema.encodeSync(WorkspaceBlueprint)(decode(WorkspaceBlueprint, minimal))).toStrictEqual(filled)
  })

  it.each<[string, object]>([
    ["access", { access: {} }],
    ["access.ssh", { access: { ssh: {} } }],
    ["tooling", { tooling: {} }],
    ["customization", { customization: {} }],
    ["lifecycle", { lifecycle: {} }],
    ["lifecycle.startup", { lifecycle: { startup: {} } }],
    ["runtime", { runtime: {} }],
    ["runtime.network", { runtime: { network: {} } }],
    ["target", { target: {} }],
    ["both of target", { target: { os: {}, runtime: {} } }],
    [
      "undefined",
      { version: undefined, access: undefined, runtime: { env: undefined, network: { outbound: undefined } } }
    ]
  ])("fills in %s", (_, part) => {
    expect(decode(WorkspaceBlueprint, { ...minimal, ...part })).toStrictEqual(filled)
  })

  it("fills in the defaults of list items", () => {
    const decoded = decode(WorkspaceBlueprint, {
      ...minimal,
      sources: { workspace: { url }, inputs: [{ id: " dots ", purpose: "dotfiles", url }] },
      lifecycle: {
        setup: [{ run: " make " }],
        startup: { steps: [{ run: "a", shell: "sh" }], foreground: { kind: "command", run: "b" } }
      }
    })
    expect(decoded.sources.inputs).toStrictEqual([
      { id: "dots", kind: "git", purpose: "dotfiles", provider: "generic", url, ref: "main" }
    ])
    expect(decoded.lifecycle).toStrictEqual({
      setup: [{ run: "make", shell: "bash" }],
      startup: { steps: [{ run: "a", shell: "sh" }], foreground: { kind: "command", run: "b", shell: "bash" } }
    })
  })

  it("does not derive the working directory from the root, which the normalizer does", () => {
    expect(decode(WorkspaceBlueprint, { ...minimal, runtime: { workspaceRoot: "/w" } }).runtime.workingDirectory).toBe(
      "/workspace/repo"
    )
  })

  it("creates separate defaults for each blueprint", () => {
    const [one, two] = [decode(WorkspaceBlueprint, minimal), decode(WorkspaceBlueprint, minimal)]
    expect(one.runtime.env).not.toBe(two.runtime.env)
    expect(one.tooling.packages).not.toBe(two.tooling.packages)
  })

  it("accepts variables with any name", () => {
    const env = JSON.parse(`{"__proto__":"a","":"b","constructor":"c"}`)
    const text = JSON.stringify(decode(WorkspaceBlueprint, { ...minimal, runtime: { env } }).runtime.env)
    expect(text).toBe(JSON.stringify(env))
    expect(issues(WorkspaceBlueprint, { ...minimal, runtime: { env: { A: 1, B: undefined, C: "c" } } })).toEqual([
      ["runtime.env.A", "must be a string"],
      ["runtime.env.B", "must be a string"]
    ])
  })

  it.each<[string, unknown, ReadonlyArray<readonly [string, string]>]>([
    [
      "nothing",
      {},
      [
        ["sources", "is missing"],
        ["harness", "is missing"]
      ]
    ],
    ["no address", { ...minimal, sources: { workspace: {} } }, [["sources.workspace.url", "is missing"]]],
    ["the short form of an agent", { ...minimal, harness: "codex" }, [["harness", "must be an object"]]],
    ["the short form of ssh", { ...minimal, access: { ssh: true } }, [["access.ssh", "must be an object"]]],
    [
      "the short form of a package",
      { ...minimal, tooling: { packages: ["git"] } },
      [["tooling.packages.0", "must be an object"]]
    ],
    [
      "an input without id",
      { ...minimal, sources: { workspace: { url }, inputs: [{ purpose: "config", url }] } },
      [["sources.inputs.0.id", "is missing"]]
    ],
    ["another version", { ...minimal, version: "2" }, [["version", "must be one of 1"]]],
    ["null for a default", { ...minimal, access: null }, [["access", "must be an object"]]],
    [
      "null for a flag",
      { ...minimal, access: { ssh: { enabled: null } } },
      [["access.ssh.enabled", "must be a boolean"]]
    ],
    [
      "port 0",
      { ...minimal, access: { ssh: { listenPort: 0 } } },
      [["access.ssh.listenPort", "must be between 1 and 65535"]]
    ],
    [
      "a broken port",
      { ...minimal, access: { ssh: { listenPort: 1.5 } } },
      [["access.ssh.listenPort", "must be an integer"]]
    ],
    [
      "a foreground without kind",
      { ...minimal, lifecycle: { startup: { foreground: {} } } },
      [["lifecycle.startup.foreground.kind", "is missing"]]
    ],
    [
      "a foreground of another kind",
      { ...minimal, lifecycle: { startup: { foreground: { kind: "x" } } } },
      [["lifecycle.startup.foreground.kind", "must be one of harness, command"]]
    ],
    [
      "a harness with a command",
      { ...minimal, lifecycle: { startup: { foreground: { kind: "harness", run: "a" } } } },
      [["lifecycle.startup.foreground.run", "is not a known key"]]
    ],
    [
      "unknown keys, here and below",
      { ...minimal, a: 1, target: { os: { b: 1 } } },
      [
        ["a", "is not a known key"],
        ["target.os.b", "is not a known key"]
      ]
    ]
  ])("rejects %s", (_, input, expected) => {
    expect(issues(WorkspaceBlueprint, input)).toEqual(expected)
  })

  it("has no type without its defaults", () => {
    expect(Schema.is(WorkspaceBlueprint)(minimal)).toBe(false)
    expect(Schema.is(WorkspaceBlueprint)(filled)).toBe(true)
    expect(paths(Schema.typeSchema(WorkspaceBlueprint), { ...filled, target: {} })).toEqual([
      "target.os",
      "target.runtime"
    ])
  })

  it("is unchanged by a round trip through JSON", () => survivesJson(WorkspaceBlueprint))
})
