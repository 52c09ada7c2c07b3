import { describe, expect, it } from "@effect/vitest"
import { JSONSchema, Schema } from "effect"
import { PartialUserWorkspaceSpec, UserWorkspaceSpec } from "../../src/payloads/index.js"
import { decode, issues, paths, survivesJson } from "./support.js"

const url = "https://github.com/acme/app"
const minimal = { source: url, harness: "codex" }

const full = {
  version: "1",
  sources: {
    workspace: { kind: "git", provider: "gitlab", url: "ssh://git@gitlab.com/acme/app.git", ref: "dev", authRef: "a" },
    inputs: [
      {
        id: "dots",
        kind: "git",
        purpose: "dotfiles",
        provider: "github",
        url,
        ref: "main",
        authRef: "b",
        mountPath: "/dots"
      }
    ]
  },
  harness: { id: "claude-code", profile: "default" },
  access: { ssh: { enabled: true, listenPort: 22, authorizedKeysRef: "keys" } },
  tooling: { packages: ["git", { id: "nodejs", version: "20" }] },
  lifecycle: {
    setup: ["npm ci", { id: "build", run: "npm run build", shell: "sh", workingDirectory: "/app" }],
    startup: {
      steps: ["make"],
      foreground: { kind: "command", run: "npm start", shell: "bash", workingDirectory: "/app" }
    }
  },
  runtime: {
    env: { "": "empty", "any key": " kept as it is " },
    workspaceRoot: "/w",
    workingDirectory: "/w/app",
    persistence: "persistent",
    ociRuntime: "runsc",
    network: { outbound: false }
  },
  customization: {
    defaultShell: "zsh",
    dotfilesManager: "stow",
    dotfilesTarget: "config",
    applyDotfiles: false,
    dotfilesBootstrap: false,
    dotfilesBootstrapCommand: "./install"
  },
  target: { os: { family: "nix", mode: "require" }, runtime: "docker" }
}

describe("UserWorkspaceSpec", () => {
  it("keeps a full specification unchanged", () => {
    expect(decode(UserWorkspaceSpec, full)).toStrictEqual(full)
    expect(decode(UserWorkspaceSpec, minimal)).toStrictEqual(minimal)
  })

  it.each<[string, object]>([
    ["source as a text", { source: "file:///srv/app" }],
    ["repo", { repo: url }],
    ["sources.workspace", { sources: { workspace: url } }],
    ["ssh on", { source: url, ssh: true }],
    ["ssh as an object", { source: url, ssh: {} }],
    ["startup as a text", { source: url, startup: "harness" }],
    ["startup as a list", { source: url, startup: ["a", { run: "b" }] }],
    ["startup with a foreground text", { source: url, startup: { foreground: "npm start" } }],
    ["startup with the agent", { source: url, startup: { foreground: { kind: "harness" } } }],
    ["os as a text", { source: url, os: "auto" }],
    ["os as an object", { source: url, os: {} }],
    ["empty groups", { source: url, sources: {}, access: {}, tooling: {}, lifecycle: {}, runtime: {}, target: {} }],
    ["a runtime of the target", { source: url, os: "arch", target: { runtime: { family: "k3s" } } }]
  ])("accepts %s", (_, rest) => {
    const spec = { harness: "opencode", ...rest }
    expect(decode(UserWorkspaceSpec, spec)).toStrictEqual(spec)
  })

  it("adds `kind` to sources and trims texts, and changes nothing else", () => {
    expect(
      decode(UserWorkspaceSpec, {
        repo: { url, ref: "  dev\n" },
        inputs: [{ purpose: "config", url, mountPath: " /a " }],
        harness: "codex",
        packages: [" git ", { id: "\tnodejs" }],
        setup: [" npm ci "],
        startup: " harness ",
        env: { A: " b " }
      })
    ).toStrictEqual({
      repo: { kind: "git", url, ref: "dev" },
      inputs: [{ kind: "git", purpose: "config", url, mountPath: "/a" }],
      harness: "codex",
      packages: ["git", { id: "nodejs" }],
      setup: ["npm ci"],
      startup: "harness",
      env: { A: " b " }
    })
  })

  it("treats an undefined key as absent, at every level", () => {
    const decoded = decode(UserWorkspaceSpec, {
      source: { url, kind: undefined, ref: undefined },
      repo: undefined,
      sources: { workspace: undefined },
      harness: { id: "codex", profile: undefined },
      runtime: { network: { outbound: undefined } }
    })
    const expected = { source: { kind: "git", url }, sources: {}, harness: { id: "codex" }, runtime: { network: {} } }
    expect(decoded).toStrictEqual(expected)
    expect(Schema.encodeSync(UserWorkspaceSpec)(decoded)).toStrictEqual(expected)
  })

  it.each<[string, unknown, ReadonlyArray<string>]>([
    ["no object", "text", [""]],
    ["null", null, [""]],
    ["a list", [], [""]],
    ["nothing at all", {}, ["harness"]],
    ["no source", { harness: "codex" }, ["source"]],
    ["an unknown agent", { ...minimal, harness: "cursor" }, ["harness"]],
    ["an unknown agent in an object", { ...minimal, harness: { id: "cursor" } }, ["harness.id"]],
    ["a number for an agent", { ...minimal, harness: 1 }, ["harness"]],
    ["another version", { ...minimal, version: "2" }, ["version"]],
    ["the short form of git addresses", { ...minimal, source: "git@github.com:acme/app.git" }, ["source"]],
    ["a bad address in an object", { ...minimal, source: { url: "app" } }, ["source.url"]],
    ["another kind of source", { ...minimal, source: { url, kind: "hg" } }, ["source.kind"]],
    ["an unknown host", { ...minimal, source: { url, provider: "bitbucket" } }, ["source.provider"]],
    ["a blank ref", { ...minimal, source: { url, ref: "  " } }, ["source.ref"]],
    ["an input as a text", { ...minimal, inputs: [url] }, ["inputs.0"]],
    ["an input without purpose", { ...minimal, inputs: [{ url }] }, ["inputs.0.purpose"]],
    ["inputs that are no list", { ...minimal, inputs: {} }, ["inputs"]],
    ["ssh as a text", { ...minimal, ssh: "yes" }, ["ssh"]],
    ["port 0", { ...minimal, ssh: { listenPort: 0 } }, ["ssh.listenPort"]],
    ["port 65536", { ...minimal, ssh: { listenPort: 65_536 } }, ["ssh.listenPort"]],
    ["a broken port", { ...minimal, ssh: { listenPort: 22.5 } }, ["ssh.listenPort"]],
    ["a port as a text", { ...minimal, access: { ssh: { listenPort: "22" } } }, ["access.ssh.listenPort"]],
    ["a blank package", { ...minimal, packages: ["git", " "] }, ["packages.1"]],
    ["a package without id", { ...minimal, tooling: { packages: [{ version: "1" }] } }, ["tooling.packages.0.id"]],
    ["an unknown shell", { ...minimal, setup: [{ run: "a", shell: "zsh" }] }, ["setup.0.shell"]],
    ["a step without a command", { ...minimal, lifecycle: { setup: [{}] } }, ["lifecycle.setup.0.run"]],
    ["a blank start", { ...minimal, startup: "" }, ["startup"]],
    ["a start that is a number", { ...minimal, startup: 1 }, ["startup"]],
    ["a foreground without kind", { ...minimal, startup: { foreground: { run: "a" } } }, ["startup.foreground.kind"]],
    [
      "a foreground of another kind",
      { ...minimal, startup: { foreground: { kind: "shell" } } },
      ["startup.foreground.kind"]
    ],
    [
      "a foreground kind that is no text",
      { ...minimal, startup: { foreground: { kind: { toString: 1 } } } },
      ["startup.foreground.kind"]
    ],
    [
      "a foreground command without command",
      { ...minimal, startup: { foreground: { kind: "command" } } },
      ["startup.foreground.run"]
    ],
    ["a variable that is no text", { ...minimal, env: { A: 1 } }, ["env.A"]],
    ["variables as a list", { ...minimal, env: ["A=1"] }, ["env"]],
    ["another persistence", { ...minimal, runtime: { persistence: "yes" } }, ["runtime.persistence"]],
    ["another container runtime", { ...minimal, runtime: { ociRuntime: "crun" } }, ["runtime.ociRuntime"]],
    ["a network that is no flag", { ...minimal, runtime: { network: { outbound: 1 } } }, ["runtime.network.outbound"]],
    [
      "a login shell that is none",
      { ...minimal, customization: { defaultShell: "sh" } },
      ["customization.defaultShell"]
    ],
    [
      "another dotfiles manager",
      { ...minimal, customization: { dotfilesManager: "yadm" } },
      ["customization.dotfilesManager"]
    ],
    [
      "another dotfiles target",
      { ...minimal, customization: { dotfilesTarget: "root" } },
      ["customization.dotfilesTarget"]
    ],
    ["an unknown system", { ...minimal, os: "debian" }, ["os"]],
    ["another mode", { ...minimal, os: { family: "nix", mode: "must" } }, ["os.mode"]],
    ["an unknown runtime", { ...minimal, target: { runtime: "podman" } }, ["target.runtime"]]
  ])("rejects %s", (_, input, expected) => {
    expect(paths(UserWorkspaceSpec, input)).toEqual(expected)
  })

  it("rejects null for every key", () => {
    for (const path of keyPaths(full))
      expect(
        paths(
          UserWorkspaceSpec,
          replaced(full, path, () => null)
        )
      ).toEqual([path.join(".")])
  })

  it("rejects an unknown key in every object, regardless of the caller's options, also as JSON text", () => {
    const objects = [[], ...keyPaths(full).filter((path) => isObject(at(full, path)))].filter(
      (path) => !path.includes("env")
    )
    expect(objects.length).toBeGreaterThan(12)
    for (const path of objects) {
      const input = replaced(full, path, (value) => ({ ...Object(value), extra: 1 }))
      const expected = [...path, "extra"].join(".")
      expect(paths(UserWorkspaceSpec, input)).toEqual([expected])
      expect(paths(Schema.parseJson(UserWorkspaceSpec), JSON.stringify(input))).toEqual([expected])
      for (const onExcessProperty of ["ignore", "preserve"] as const) {
        expect(() => Schema.decodeUnknownSync(UserWorkspaceSpec, { onExcessProperty })(input)).toThrow(
          "is not a known key"
        )
      }
    }
  })

  it("rejects the __proto__ key, which JSON can contain", () => {
    expect(
      paths(UserWorkspaceSpec, JSON.parse(`{"source":"${url}","harness":"codex","__proto__":{"ssh":true}}`))
    ).toEqual(["__proto__"])
  })

  it("reports all issues at once", () => {
    expect(
      issues(UserWorkspaceSpec, { source: { url: "x", junk: 1 }, harness: "y", extra: 1, packages: ["", { id: 3 }] })
    ).toEqual([
      ["extra", "is not a known key"],
      ["source.junk", "is not a known key"],
      ["source.url", "must be a URL"],
      ["packages.0", "must not be empty"],
      ["packages.1.id", "must be a string"],
      ["harness", "must be one of opencode, codex, claude-code"]
    ])
  })

  it("never shows the rejected values", () => {
    const secret = "s3cr3t-sentinel"
    const inputs: ReadonlyArray<unknown> = [
      secret,
      [secret],
      ...keyPaths(full).flatMap((path) =>
        [secret, [secret], { a: secret }, [[secret]]].map((wrong) => replaced(full, path, () => wrong))
      ),
      { ...full, source: `https://user:${secret}@example.com`, repo: `https://${secret}` },
      { ...full, source: `https://${secret}`, packages: [secret], env: { A: secret } }
    ]
    for (const input of inputs) {
      for (const errors of ["first", "all"] as const) {
        try {
          Schema.decodeUnknownSync(UserWorkspaceSpec, { errors })(input)
        } catch (error) {
          expect(String(error)).not.toContain(secret)
        }
      }
      expect(issues(UserWorkspaceSpec, input).join()).not.toContain(secret)
    }
  })
})

const pairs: ReadonlyArray<[short: string, group: string, key: string, value: unknown, other: unknown]> = [
  ["inputs", "sources", "inputs", [], [{ purpose: "config", url }]],
  ["ssh", "access", "ssh", false, {}],
  ["packages", "tooling", "packages", [], ["git"]],
  ["setup", "lifecycle", "setup", [], ["make"]],
  ["startup", "lifecycle", "startup", "harness", []],
  ["env", "runtime", "env", {}, { A: "b" }],
  ["os", "target", "os", "auto", {}]
]

describe("conflicting names", () => {
  it.each(pairs)("%s and %s.%s", (short, group, key, value, other) => {
    const expected = [[short, `give only one of ${short} and ${group}.${key}`]]
    for (const schema of [UserWorkspaceSpec, PartialUserWorkspaceSpec]) {
      expect(issues(schema, { ...minimal, [short]: value })).toEqual([])
      expect(issues(schema, { ...minimal, [group]: { [key]: other } })).toEqual([])
      expect(issues(schema, { ...minimal, [short]: value, [group]: { [key]: other } })).toEqual(expected)
      expect(issues(schema, { ...minimal, [short]: value, [group]: { [key]: undefined } })).toEqual([])
      expect(issues(schema, { ...minimal, [short]: undefined, [group]: { [key]: other } })).toEqual([])
    }
  })

  it("source, repo and sources.workspace", () => {
    const names = [{ source: url }, { repo: url }, { sources: { workspace: url } }]
    const twice = [["source", "give only one of source, repo and sources.workspace"]]
    for (const schema of [UserWorkspaceSpec, PartialUserWorkspaceSpec]) {
      for (const first of names) {
        expect(issues(schema, { harness: "codex", ...first })).toEqual([])
        for (const second of names) {
          expect(issues(schema, { harness: "codex", ...first, ...second })).toEqual(first === second ? [] : twice)
        }
      }
      expect(issues(schema, { harness: "codex", source: url, repo: url, sources: { workspace: url } })).toEqual(twice)
    }
    expect(issues(UserWorkspaceSpec, { harness: "codex" })).toEqual([
      ["source", "one of source, repo and sources.workspace is required"]
    ])
  })

  it("are all reported at once, even by a decoder that stops at the first error", () => {
    const everything = Object.assign(
      { harness: "codex", repo: url, source: url },
      ...pairs.map(([short, , , value]) => ({ [short]: value })),
      {
        sources: { inputs: [] },
        access: { ssh: true },
        tooling: { packages: [] },
        lifecycle: { setup: [], startup: [] },
        runtime: { env: {} },
        target: { os: "nix" }
      }
    )
    expect(paths(UserWorkspaceSpec, everything)).toEqual(["source", ...pairs.map(([short]) => short)])
    expect(paths(PartialUserWorkspaceSpec, everything)).toEqual(["source", ...pairs.map(([short]) => short)])
    expect(() => decode(UserWorkspaceSpec, everything)).toThrow("give only one of os and target.os")
  })
})

describe("PartialUserWorkspaceSpec", () => {
  it.each<[string, object]>([
    ["nothing", {}],
    ["only an agent", { harness: "codex" }],
    ["only variables", { env: { A: "1" } }],
    ["all but the source", { ...full, sources: { inputs: [] } }],
    ["a whole specification", full]
  ])("accepts %s", (_, patch) => {
    expect(decode(PartialUserWorkspaceSpec, patch)).toStrictEqual(patch)
  })

  it("is as strict as the full specification", () => {
    expect(paths(PartialUserWorkspaceSpec, { extra: 1, harness: "x", env: null })).toEqual(["extra", "env", "harness"])
  })
})

describe("as schemas", () => {
  it("encoding and decoding again changes nothing", () => {
    survivesJson(UserWorkspaceSpec)
    survivesJson(PartialUserWorkspaceSpec)
  })

  it("a decoded value has the type, and equals its copy", () => {
    const spec = decode(UserWorkspaceSpec, full)
    expect(Schema.is(UserWorkspaceSpec)(spec)).toBe(true)
    expect(Schema.is(UserWorkspaceSpec)({ ...full, ssh: true })).toBe(false)
    expect(Schema.is(UserWorkspaceSpec)({ source: { url }, harness: "codex" })).toBe(false)
    expect(Schema.equivalence(UserWorkspaceSpec)(spec, decode(UserWorkspaceSpec, full))).toBe(true)
    expect(Schema.equivalence(UserWorkspaceSpec)(spec, decode(UserWorkspaceSpec, { ...full, harness: "codex" }))).toBe(
      false
    )
  })

  it("have a JSON Schema in which defaults are optional and unknown keys rejected", () => {
    const text = JSON.stringify(JSONSchema.make(UserWorkspaceSpec))
    expect(text).toContain(`"required":["url"]`)
    expect(text).toContain(`"additionalProperties":false`)
    expect(text).toContain(`"enum":["opencode","codex","claude-code"]`)
  })
})

type Path = ReadonlyArray<string>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The path of each key of a document, outermost first. */
const keyPaths = (value: unknown, path: Path = []): ReadonlyArray<Path> =>
  typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...keyPaths(inner, [...path, key])])
    : []

const at = (value: unknown, path: Path): unknown => path.reduce<unknown>((inner, key) => Object(inner)[key], value)

/** A copy of a document in which one place is another. */
const replaced = (value: unknown, [key, ...rest]: Path, change: (value: unknown) => unknown): unknown => {
  if (key === undefined) return change(value)
  const inner = replaced(Object(value)[key], rest, change)
  return Array.isArray(value) ? value.with(Number(key), inner) : { ...Object(value), [key]: inner }
}
