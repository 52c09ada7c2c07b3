import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Effect, FastCheck, ParseResult, Schema } from "effect"
import {
  inferSourceProvider,
  normalizeUserWorkspaceSpec,
  toBlueprint,
  UserWorkspaceSpec,
  WorkspaceBlueprint
} from "../../src/payloads/index.js"

type Given = typeof UserWorkspaceSpec.Encoded

const url = "https://github.com/acme/app"
const normalize = (rest: Partial<Given>) =>
  Effect.runSync(normalizeUserWorkspaceSpec({ harness: "codex", source: url, ...rest }))
const from = (given: Given) => Effect.runSync(normalizeUserWorkspaceSpec(given))

const prefer = (family: string) => ({ family, mode: "prefer" })

describe("normalizeUserWorkspaceSpec", () => {
  it("makes a complete blueprint from a minimal specification", () => {
    expect(normalize({})).toStrictEqual({
      version: "1",
      sources: { workspace: { kind: "git", provider: "github", url, ref: "main" }, inputs: [] },
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
    })
  })

  it.effect("fails with every issue of an invalid specification", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        normalizeUserWorkspaceSpec({ harness: "codex", ssh: true, access: { ssh: true } })
      )
      expect(ParseResult.ArrayFormatter.formatErrorSync(error).map((issue) => issue.path)).toEqual([
        ["source"],
        ["ssh"]
      ])
    })
  )

  it.each<[string, Given]>([
    ["source", { harness: "codex", source: url }],
    ["repo", { harness: "codex", repo: url }],
    ["sources.workspace", { harness: "codex", sources: { workspace: url } }]
  ])("takes the workspace from %s", (_, given) => {
    expect(from(given).sources.workspace).toStrictEqual({ kind: "git", provider: "github", url, ref: "main" })
  })

  it("keeps the fields of a source, and fills in the rest", () => {
    expect(normalize({ source: { url, authRef: "a" } }).sources.workspace).toStrictEqual({
      kind: "git",
      provider: "github",
      url,
      ref: "main",
      authRef: "a"
    })
    expect(normalize({ source: { url, provider: "generic", ref: "dev" } }).sources.workspace).toStrictEqual({
      kind: "git",
      provider: "generic",
      url,
      ref: "dev"
    })
  })

  it.each([
    ["https://github.com/a/b", "github"],
    ["https://GitHub.com/a/b", "github"],
    ["ssh://git@GITHUB.com/a/b", "github"],
    ["https://ghe.github.com/a/b", "github"],
    ["https://gitlab.com/a/b", "gitlab"],
    ["ssh://git@eu.gitlab.com:22/a/b", "gitlab"],
    ["https://notgithub.com/a/b", "generic"],
    ["https://github.com.example.com/a/b", "generic"],
    ["https://example.com/github.com", "generic"],
    ["file:///srv/app", "generic"]
  ])("%s is hosted by %s", (address, provider) => {
    expect(inferSourceProvider(address)).toBe(provider)
    expect(normalize({ source: address }).sources.workspace.provider).toBe(provider)
  })

  it("numbers inputs over both names of the list", () => {
    const inputs = [
      { purpose: "config", url: "https://gitlab.com/a/b", mountPath: "/etc/x" },
      { id: "mine", purpose: "config", url, provider: "generic", ref: "v1", authRef: "a" },
      { purpose: "dotfiles", url }
    ] as const
    const expected = [
      {
        id: "config-1",
        kind: "git",
        purpose: "config",
        provider: "gitlab",
        url: "https://gitlab.com/a/b",
        ref: "main",
        mountPath: "/etc/x"
      },
      { id: "mine", kind: "git", purpose: "config", provider: "generic", url, ref: "v1", authRef: "a" },
      { id: "dotfiles-3", kind: "git", purpose: "dotfiles", provider: "github", url, ref: "main" }
    ]
    expect(normalize({ inputs }).sources.inputs).toStrictEqual(expected)
    expect(normalize({ sources: { inputs } }).sources.inputs).toStrictEqual(expected)
  })

  it("accepts an agent by id or with its profile", () => {
    expect(normalize({ harness: { id: "opencode" } }).harness).toStrictEqual({ id: "opencode" })
    expect(normalize({ harness: { id: "opencode", profile: "p" } }).harness).toStrictEqual({
      id: "opencode",
      profile: "p"
    })
  })

  it.each<[Given["ssh"], object]>([
    [undefined, { enabled: false, listenPort: 2222 }],
    [false, { enabled: false, listenPort: 2222 }],
    [true, { enabled: true, listenPort: 2222 }],
    [{}, { enabled: false, listenPort: 2222 }],
    [{ listenPort: 22 }, { enabled: true, listenPort: 22 }],
    [{ authorizedKeysRef: "k" }, { enabled: true, listenPort: 2222, authorizedKeysRef: "k" }],
    [
      { enabled: false, listenPort: 22, authorizedKeysRef: "k" },
      { enabled: false, listenPort: 22, authorizedKeysRef: "k" }
    ],
    [{ enabled: true }, { enabled: true, listenPort: 2222 }]
  ])("ssh %j", (ssh, expected) => {
    expect(normalize({ ssh }).access.ssh).toStrictEqual(expected)
    expect(normalize({ access: { ssh } }).access.ssh).toStrictEqual(expected)
  })

  it("keeps the first of several packages with the same id", () => {
    const packages = ["git", { id: "nodejs", version: "20" }, { id: "git", version: "2" }, " nodejs ", "jq"]
    const expected = [{ id: "git" }, { id: "nodejs", version: "20" }, { id: "jq" }]
    expect(normalize({ packages }).tooling.packages).toStrictEqual(expected)
    expect(normalize({ tooling: { packages } }).tooling.packages).toStrictEqual(expected)
  })

  it("fills in the customization key by key", () => {
    expect(
      normalize({ customization: { defaultShell: "fish", applyDotfiles: false, dotfilesBootstrapCommand: "./x" } })
        .customization
    ).toStrictEqual({
      defaultShell: "fish",
      dotfilesManager: "auto",
      dotfilesTarget: "home",
      applyDotfiles: false,
      dotfilesBootstrap: true,
      dotfilesBootstrapCommand: "./x"
    })
    expect(
      normalize({ customization: { dotfilesManager: "copy", dotfilesTarget: "config", dotfilesBootstrap: false } })
        .customization
    ).toMatchObject({
      defaultShell: "bash",
      dotfilesManager: "copy",
      dotfilesTarget: "config",
      applyDotfiles: true,
      dotfilesBootstrap: false
    })
  })

  it("makes steps from texts and objects", () => {
    const setup = ["a", { run: "b" }, { id: "c", run: "c", shell: "sh", workingDirectory: "/c" }] as const
    const expected = [
      { run: "a", shell: "bash" },
      { run: "b", shell: "bash" },
      { id: "c", run: "c", shell: "sh", workingDirectory: "/c" }
    ]
    expect(normalize({ setup }).lifecycle.setup).toStrictEqual(expected)
    expect(normalize({ lifecycle: { setup } }).lifecycle.setup).toStrictEqual(expected)
  })

  it.each<[Given["startup"], object]>([
    [undefined, { steps: [], foreground: { kind: "harness" } }],
    ["harness", { steps: [], foreground: { kind: "harness" } }],
    [" harness ", { steps: [], foreground: { kind: "harness" } }],
    ["npm start", { steps: [], foreground: { kind: "command", run: "npm start", shell: "bash" } }],
    [[], { steps: [], foreground: { kind: "harness" } }],
    [
      ["a", { run: "b", shell: "sh" }],
      {
        steps: [
          { run: "a", shell: "bash" },
          { run: "b", shell: "sh" }
        ],
        foreground: { kind: "harness" }
      }
    ],
    [{}, { steps: [], foreground: { kind: "harness" } }],
    [{ steps: ["a"] }, { steps: [{ run: "a", shell: "bash" }], foreground: { kind: "harness" } }],
    [{ foreground: "harness" }, { steps: [], foreground: { kind: "harness" } }],
    [{ foreground: "x" }, { steps: [], foreground: { kind: "command", run: "x", shell: "bash" } }],
    [{ foreground: { kind: "harness" } }, { steps: [], foreground: { kind: "harness" } }],
    [
      { foreground: { kind: "command", run: "x" } },
      { steps: [], foreground: { kind: "command", run: "x", shell: "bash" } }
    ],
    [
      { steps: ["a"], foreground: { kind: "command", run: "x", shell: "sh", workingDirectory: "/x" } },
      {
        steps: [{ run: "a", shell: "bash" }],
        foreground: { kind: "command", run: "x", shell: "sh", workingDirectory: "/x" }
      }
    ]
  ])("startup %j", (startup, expected) => {
    expect(normalize({ startup }).lifecycle.startup).toStrictEqual(expected)
    expect(normalize({ lifecycle: { startup } }).lifecycle.startup).toStrictEqual(expected)
  })

  it("puts the working directory below the root, unless it is set", () => {
    expect(normalize({ runtime: { workspaceRoot: "/w" } }).runtime).toMatchObject({
      workspaceRoot: "/w",
      workingDirectory: "/w/repo"
    })
    expect(normalize({ runtime: { workspaceRoot: "/w", workingDirectory: "/x" } }).runtime).toMatchObject({
      workspaceRoot: "/w",
      workingDirectory: "/x"
    })
    expect(
      normalize({ runtime: { persistence: "persistent", ociRuntime: "runsc", network: { outbound: false } } }).runtime
    ).toMatchObject({ persistence: "persistent", ociRuntime: "runsc", network: { outbound: false } })
    expect(normalize({ runtime: { network: {} } }).runtime.network).toStrictEqual({ outbound: true })
  })

  it("accepts variables under either name", () => {
    expect(normalize({ env: { A: "1" }, runtime: { workspaceRoot: "/w" } }).runtime.env).toStrictEqual({ A: "1" })
    expect(normalize({ runtime: { env: { A: "1" } } }).runtime.env).toStrictEqual({ A: "1" })
  })

  it("resolves the build and runtime platforms", () => {
    expect(normalize({ os: "nix" }).target).toStrictEqual({ os: prefer("nix"), runtime: prefer("auto") })
    expect(normalize({ os: { mode: "require" } }).target.os).toStrictEqual({ family: "auto", mode: "require" })
    expect(normalize({ target: { os: "arch", runtime: "k8s" } }).target).toStrictEqual({
      os: prefer("arch"),
      runtime: prefer("k8s")
    })
    expect(normalize({ os: "arch", target: { runtime: { family: "docker", mode: "require" } } }).target).toStrictEqual({
      os: prefer("arch"),
      runtime: { family: "docker", mode: "require" }
    })
    expect(normalize({ target: { os: {}, runtime: {} } }).target).toStrictEqual({
      os: prefer("auto"),
      runtime: prefer("auto")
    })
  })

  it("makes a blueprint from any specification that decodes to itself", () => {
    FastCheck.assert(
      FastCheck.property(Arbitrary.make(UserWorkspaceSpec), (spec) => {
        const blueprint = toBlueprint(spec)
        expect(Schema.is(WorkspaceBlueprint)(blueprint)).toBe(true)
        expect(Schema.decodeUnknownSync(WorkspaceBlueprint)(blueprint)).toEqual(blueprint)
        expect(Schema.encodeSync(WorkspaceBlueprint)(blueprint)).toEqual(blueprint)
        expect(from(Schema.encodeSync(UserWorkspaceSpec)(spec))).toEqual(blueprint)
      })
    )
  })
})
