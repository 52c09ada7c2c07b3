import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import {
  findPublishableImage,
  normalizeUserWorkspaceSpec,
  OsExecutorCompileResult,
  OsExecutorSupport,
  RuntimeAdapterBlueprint,
  RuntimeAdapterLaunchInput,
  RuntimeAdapterLaunchResult,
  RuntimeAdapterSupport,
  WorkspaceBuildJobRequestPayload,
  WorkspaceBuildJobResultPayload,
  WorkspaceBuildJobRuntimeResultPayload,
  UserWorkspaceSpec
} from "../../src/payloads/index.js"
import { decode, issues, paths, survivesJson } from "./support.js"

const image = { kind: "oci-image", name: "image", path: "/out/7.tar", loader: "docker-load" }
const compile = { executor: { id: "arch", osFamily: "arch" }, artifacts: [image] }
const blueprint = Effect.runSync(
  normalizeUserWorkspaceSpec({ harness: "codex", repo: "https://github.com/acme/site", env: { A: "b" } })
)

const buildkit = {
  imagePlan: {
    blueprint,
    osFamily: "arch",
    baseImage: "archlinux:base",
    packageManager: "pacman",
    packages: [{ requestId: "nodejs", requestedVersion: "22", installPackages: ["nodejs", "npm"] }],
    customization: blueprint.customization,
    dotfiles: { sourceId: "dotfiles-1", manager: "stow", url: "https://github.com/acme/dots", ref: "main" },
    buildSecrets: [{ id: "token", phase: "build", sourceRef: "secret:1" }],
    runtimeSecrets: [{ id: "key", kind: "ssh-key", phase: "runtime", sourceRef: "secret:2" }],
    imageEnv: {},
    runtimeEnv: { A: "b" }
  },
  spec: {
    contextDirectory: "/context",
    containerfilePath: "/context/Containerfile",
    imageReference: "registry.test/acme/site:codex"
  }
}

describe("OsExecutorCompileResult", () => {
  it("decodes the output of the real executor, with its plan", () => {
    expect(
      decode(OsExecutorCompileResult, { ...compile, metadata: { planHash: " sha256:1 " }, buildkit })
    ).toStrictEqual({
      ...compile,
      metadata: { notes: [], planHash: "sha256:1" },
      buildkit: {
        imagePlan: {
          ...buildkit.imagePlan,
          dotfiles: { ...buildkit.imagePlan.dotfiles, target: "home", bootstrap: true, applyAt: "build" },
          buildSecrets: [{ id: "token", kind: "secret", phase: "build", sourceRef: "secret:1" }]
        },
        spec: { ...buildkit.spec, push: true, secrets: [], buildArgs: {} }
      }
    })
  })

  it("fills in the lists and maps of a plan", () => {
    const { baseImage, customization, osFamily, packageManager } = buildkit.imagePlan
    const decoded = decode(OsExecutorCompileResult, {
      ...compile,
      buildkit: { ...buildkit, imagePlan: { blueprint, baseImage, customization, osFamily, packageManager } }
    })
    expect(decoded.buildkit?.imagePlan).toStrictEqual({
      blueprint,
      baseImage,
      customization,
      osFamily,
      packageManager,
      packages: [],
      buildSecrets: [],
      runtimeSecrets: [],
      imageEnv: {},
      runtimeEnv: {}
    })
  })

  it.each<[string, object]>([
    ["an image in a registry", { kind: "oci-image", name: "a", reference: "r", loader: "registry" }],
    ["an image of which little is known", { kind: "oci-image", name: "a" }],
    ["a closure", { kind: "filesystem-closure", name: "a", path: "/a" }],
    ["a manifest", { kind: "manifest", name: "a", path: "/a", format: "yaml" }],
    ["metadata", { kind: "metadata", name: "a", path: "/a", format: "json" }]
  ])("accepts %s", (_, artifact) => {
    const result = { ...compile, artifacts: [artifact], metadata: { defaultArtifactName: "a", notes: ["n"] } }
    expect(decode(OsExecutorCompileResult, result)).toStrictEqual(result)
  })

  it.each<[string, unknown, ReadonlyArray<string>]>([
    ["nothing", {}, ["executor", "artifacts"]],
    ["no artifacts", { ...compile, artifacts: [] }, ["artifacts"]],
    ["an automatic system", { ...compile, executor: { id: "nix", osFamily: "auto" } }, ["executor.osFamily"]],
    ["an artifact of no kind", { ...compile, artifacts: [{ name: "a" }] }, ["artifacts.0.kind"]],
    ["an artifact of another kind", { ...compile, artifacts: [image, { kind: "toString" }] }, ["artifacts.1.kind"]],
    [
      "a closure without path",
      { ...compile, artifacts: [{ kind: "filesystem-closure", name: "a" }] },
      ["artifacts.0.path"]
    ],
    [
      "metadata in YAML",
      { ...compile, artifacts: [{ kind: "metadata", name: "a", path: "/a", format: "yaml" }] },
      ["artifacts.0.format"]
    ],
    ["a key of another artifact", { ...compile, artifacts: [{ ...image, format: "json" }] }, ["artifacts.0.format"]],
    [
      "unknown keys",
      { ...compile, x: 1, metadata: { y: 1 }, buildkit: { ...buildkit, z: 1 } },
      ["x", "metadata.y", "buildkit.z"]
    ],
    ["null", { ...compile, metadata: null }, ["metadata"]],
    [
      "a package that installs nothing",
      {
        ...compile,
        buildkit: {
          ...buildkit,
          imagePlan: { ...buildkit.imagePlan, packages: [{ requestId: "a", installPackages: [] }] }
        }
      },
      ["buildkit.imagePlan.packages.0.installPackages"]
    ]
  ])("rejects %s", (_, input, expected) => {
    expect(paths(OsExecutorCompileResult, input)).toEqual(expected)
  })

  it("contains the image that the worker publishes", () => {
    const artifacts = [
      { kind: "metadata", name: "m", path: "/m", format: "json" },
      { kind: "oci-image", name: "elsewhere", path: "/a", loader: "registry" },
      { kind: "oci-image", name: "nowhere", loader: "docker-load" },
      image,
      { ...image, name: "second" }
    ]
    expect(findPublishableImage(decode(OsExecutorCompileResult, { ...compile, artifacts }))).toStrictEqual(
      Option.some(image)
    )
    expect(
      findPublishableImage(decode(OsExecutorCompileResult, { ...compile, artifacts: artifacts.slice(0, 3) }))
    ).toStrictEqual(Option.none())
  })

  it("is unchanged by a round trip through JSON", () => survivesJson(OsExecutorCompileResult))
})

describe("support", () => {
  it.each([
    ["executor", OsExecutorSupport, "unsupported-package"],
    ["adapter", RuntimeAdapterSupport, "adapter-unavailable"]
  ] as const)("%s", (_, schema, reason) => {
    expect(decode(schema, { supported: true })).toStrictEqual({ supported: true })
    expect(decode(schema, { supported: false, reason, message: " no " })).toStrictEqual({
      supported: false,
      reason,
      message: "no"
    })
    expect(paths(schema, { supported: false, reason: "other", message: "" })).toEqual(["reason", "message"])
    expect(paths(schema, { supported: true, reason })).toEqual(["reason"])
    expect(issues(schema, {})).toEqual([["supported", "is missing"]])
    expect(paths(schema, { supported: "true" })).toEqual(["supported"])
    expect(paths(schema, null)).toEqual([""])
  })
})

describe("runtime adapter", () => {
  const launch = { adapter: "docker", resourceId: "c1", reference: "r", status: "running" }

  it("decodes the result of a launch", () => {
    expect(decode(RuntimeAdapterLaunchResult, launch)).toStrictEqual(launch)
    expect(
      decode(RuntimeAdapterLaunchResult, { ...launch, status: "pending", endpoint: " ssh://root@host:22 " })
    ).toStrictEqual({ ...launch, status: "pending", endpoint: "ssh://root@host:22" })
    expect(
      paths(RuntimeAdapterLaunchResult, { ...launch, adapter: "podman", status: "stopped", endpoint: "", more: 1 })
    ).toEqual(["more", "adapter", "status", "endpoint"])
    survivesJson(RuntimeAdapterLaunchResult)
  })

  const adapterBlueprint = {
    sources: { workspace: { url: "https://example.com/a", ref: "main" } },
    access: { ssh: { enabled: true } },
    runtime: {
      env: {},
      workingDirectory: "/w",
      persistence: "ephemeral",
      ociRuntime: "runc",
      network: { outbound: true }
    },
    target: { runtime: { family: "docker", mode: "prefer" } }
  }

  it("decodes its part of a blueprint, and keeps the rest", () => {
    expect(decode(RuntimeAdapterBlueprint, adapterBlueprint)).toStrictEqual(adapterBlueprint)
    expect(decode(RuntimeAdapterBlueprint, blueprint)).toEqual(blueprint)
    const more = { ...adapterBlueprint, a: null, access: { b: [1], ssh: { enabled: true, c: { d: 1 } } } }
    expect(decode(RuntimeAdapterBlueprint, more)).toEqual(more)
    expect(
      paths(RuntimeAdapterBlueprint, { ...adapterBlueprint, access: { ssh: { listenPort: 0 } }, target: {} })
    ).toEqual(["access.ssh.enabled", "access.ssh.listenPort", "target.runtime"])
    survivesJson(RuntimeAdapterBlueprint)
  })

  const publishedImage = {
    repository: "a/b",
    tag: "t",
    reference: "r/a/b:t",
    digestReference: "r/a/b@sha256:1",
    digest: "sha256:1"
  }

  it.each<[string, object]>([
    ["no authentication at all", {}],
    ["none", { workspaceCloneAuth: { type: "none" } }],
    ["a file", { workspaceCloneAuth: { type: "file-ref", path: "/run/key" } }],
    ["a token", { workspaceCloneAuth: { type: "http-token", username: "x", token: "t" } }]
  ])("is launched with %s", (_, auth) => {
    const input = { blueprint: { ...adapterBlueprint, extra: { kept: true } }, publishedImage, ...auth }
    expect(decode(RuntimeAdapterLaunchInput, input)).toEqual(input)
  })

  it("is strict around the blueprint", () => {
    expect(
      paths(RuntimeAdapterLaunchInput, {
        blueprint: adapterBlueprint,
        publishedImage: { ...publishedImage, extra: 1 },
        workspaceCloneAuth: { type: "none", token: "t" },
        extra: 1
      })
    ).toEqual(["extra", "publishedImage.extra", "workspaceCloneAuth.token"])
    expect(
      paths(RuntimeAdapterLaunchInput, {
        blueprint: adapterBlueprint,
        publishedImage,
        workspaceCloneAuth: { type: "ssh" }
      })
    ).toEqual(["workspaceCloneAuth.type"])
  })

  it("never shows a token", () => {
    const workspaceCloneAuth = {
      type: "http-token",
      username: "",
      token: ["s3cr3t-sentinel"],
      extra: "s3cr3t-sentinel"
    }
    const input = { blueprint: adapterBlueprint, publishedImage, workspaceCloneAuth }
    expect(issues(RuntimeAdapterLaunchInput, input)).toHaveLength(3)
    expect(issues(RuntimeAdapterLaunchInput, input).join()).not.toContain("sentinel")
  })

  it("is stored beside the compile result in the result of an attempt", () => {
    expect(decode(WorkspaceBuildJobRuntimeResultPayload, { compile, runtime: launch })).toStrictEqual({
      compile,
      runtime: launch
    })
    expect(paths(WorkspaceBuildJobRuntimeResultPayload, { compile, launch })).toEqual(["launch", "runtime"])
  })
})

it("the documents of a build job are the specification and the compile result", () => {
  expect(WorkspaceBuildJobRequestPayload).toBe(UserWorkspaceSpec)
  expect(WorkspaceBuildJobResultPayload).toBe(OsExecutorCompileResult)
})
