/**
 * Addresses and refs of Git repositories: the rules for inputs, and that stored documents are read with any.
 */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { readingOf } from "../../src/sql/decoder.js"
import {
  GitRef,
  GitUrl,
  OsExecutorCompileResult,
  RuntimeAdapterBlueprint,
  UserWorkspaceSpec,
  WorkspaceBlueprint
} from "../../src/payloads/index.js"
import { decode, issues, paths } from "./support.js"

const otherScheme = "must be a URL that begins with https://, http://, ssh://, git:// or file://"
const shortForm = "must be a URL: write git@host:path as ssh://git@host/path"
const unprintable = "must not contain control characters or backslashes"
const option = "must not have a user or a host that begins with -"

describe("the URL of a source", () => {
  it.each([
    "https://github.com/acme/app",
    "https://user:token@example.com:8443/acme/app.git?x=1#y",
    "http://git.internal/app",
    "ssh://git@github.com/acme/app.git",
    "ssh://git@[::1]:2222/acme/-app.git",
    "git://example.com/acme/app.git",
    "file:///srv/my%20app",
    "https://example.com/a-b/%D0%B0",
    "https://example.com/%ff/%2Dapp%"
  ])("is accepted unchanged: %s", (url) => {
    expect(decode(GitUrl, url)).toBe(url)
  })

  it.each([
    ["javascript:alert(1)", otherScheme],
    ["data:text/plain,x", otherScheme],
    ["ext::sh -c 'touch /tmp/owned'", otherScheme],
    ["ext::https://github.com/acme/app", otherScheme],
    ["fd::17", otherScheme],
    ["ftp://example.com/app", otherScheme],
    // For Git this is the host `https`.
    ["https:github.com/acme/app", otherScheme],
    ["file:/srv/app", otherScheme],
    ["git@github.com:acme/app.git", shortForm],
    ["me@example.com:~/app", shortForm],
    ["-u", "must be a URL"],
    ["--upload-pack=touch", "must be a URL"],
    ["/srv/app", "must be a URL"],
    ["", "must be a URL"],
    [" https://github.com/acme/app", otherScheme],
    ["ht\ntps://github.com/acme/app", otherScheme],
    ["https://github.com/acme/app\n", unprintable],
    ["https://github.com/acme\tapp", unprintable],
    ["https://github.com/%0ahost=evil", unprintable],
    ["https://github.com\\@example.com/app", unprintable],
    ["ssh://-oProxyCommand=touch/app", option],
    ["ssh://%2DoProxyCommand=touch/app", option],
    // One escape that is not UTF-8 leaves the others as dangerous as they are.
    ["ssh://%2DoProxyCommand=touch%24x%ff/app", option],
    ["ssh://%2doProxyCommand=touch%ff@example.com/app", option],
    ["ssh://example.com/%0aapp%ff", unprintable],
    ["ssh://example.com/%7fapp%C3", unprintable],
    ["ssh://-oProxyCommand=touch@example.com/app", option]
  ])("is rejected: %j", (url, rule) => {
    expect(issues(GitUrl, url)).toEqual([["", rule]])
  })
})

describe("the ref of a source", () => {
  it("is a branch, a tag or a commit, never an option", () => {
    for (const ref of ["main", "feature/a-b", "v1.0", "0123abc", "HEAD~1"]) expect(decode(GitRef, ref)).toBe(ref)
    expect(decode(GitRef, " main ")).toBe("main")
    for (const ref of ["--upload-pack=touch", " -b", "a\nb"]) {
      expect(issues(GitRef, ref)).toEqual([["", "must not begin with - or contain control characters"]])
    }
  })
})

describe("a document with an invalid source", () => {
  const url = "ext::sh -c id"
  const ref = "-x"
  const specs: ReadonlyArray<readonly [spec: object, path: string]> = [
    [{ source: url, harness: "codex" }, "source"],
    [{ repo: { url, ref: "main" }, harness: "codex" }, "repo.url"],
    [{ sources: { workspace: { url: "https://example.com", ref } }, harness: "codex" }, "sources.workspace.ref"],
    [{ source: "https://example.com", inputs: [{ purpose: "config", url }], harness: "codex" }, "inputs.0.url"],
    [
      {
        source: "https://example.com",
        sources: { inputs: [{ purpose: "config", url: "https://example.com", ref }] },
        harness: "codex"
      },
      "sources.inputs.0.ref"
    ]
  ]
  const blueprint = {
    sources: { workspace: { url }, inputs: [{ id: "i", purpose: "config", url }] },
    harness: { id: "codex" }
  }

  it("is rejected as an input, with the path of the source", () => {
    for (const [spec, path] of specs) expect(paths(UserWorkspaceSpec, spec)).toEqual([path])
    expect(paths(WorkspaceBlueprint, blueprint)).toEqual(["sources.workspace.url", "sources.inputs.0.url"])
    expect(paths(RuntimeAdapterBlueprint, { sources: { workspace: { url, ref: "main" } } })).toContain(
      "sources.workspace.url"
    )
  })

  it("is read and encoded when it is stored, also in the result of a build", () => {
    const stored = readingOf(UserWorkspaceSpec)
    for (const [spec] of specs) expect(Schema.encodeSync(stored)(decode(stored, spec))).toMatchObject(spec)
    const storedBlueprint = readingOf(WorkspaceBlueprint)
    const whole = decode(storedBlueprint, blueprint)
    expect(Schema.encodeSync(storedBlueprint)(whole)).toMatchObject(blueprint)
    const result = {
      executor: { id: "nix", osFamily: "nix" },
      artifacts: [{ kind: "oci-image", name: "image" }],
      buildkit: {
        imagePlan: {
          blueprint: whole,
          osFamily: "nix",
          baseImage: "b",
          packageManager: "nix",
          customization: whole.customization
        },
        spec: { contextDirectory: "c", containerfilePath: "f", imageReference: "i" }
      }
    }
    expect(issues(OsExecutorCompileResult, result)).toEqual([])
  })
})
