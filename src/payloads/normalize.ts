/**
 * From what a user asks for to a blueprint: section 2 of the description of the payloads.
 */
import { Effect, type ParseResult, Schema } from "effect"
import type { SourceProvider } from "./enumerations.js"
import {
  type CommandStep,
  type HarnessRef,
  type InputSource,
  type PackageRef,
  type SourceRef,
  type SshAccess,
  type Startup,
  type StartupForeground,
  UserWorkspaceSpec
} from "./UserWorkspaceSpec.js"
import type {
  WorkspaceBlueprint,
  WorkspaceForeground,
  WorkspaceHarness,
  WorkspaceInput,
  WorkspacePackage,
  WorkspaceSource,
  WorkspaceSsh,
  WorkspaceStartup,
  WorkspaceStep,
  WorkspaceTarget
} from "./WorkspaceBlueprint.js"

const decode = Schema.decode(UserWorkspaceSpec, { errors: "all" })

/**
 * Decodes a specification and makes its blueprint.
 *
 * Fails with a `ParseError` that holds every issue of the specification; their messages name rules,
 * not values.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { normalizeUserWorkspaceSpec } from "@sealant/db/payloads"
 *
 * const blueprint = Effect.runSync(
 *   normalizeUserWorkspaceSpec({ repo: "https://github.com/acme/app", harness: "codex", ssh: true })
 * )
 * console.log(blueprint.sources.workspace.provider, blueprint.access.ssh.listenPort) // github 2222
 * ```
 */
export const normalizeUserWorkspaceSpec = (
  input: typeof UserWorkspaceSpec.Encoded
): Effect.Effect<WorkspaceBlueprint, ParseResult.ParseError> =>
  Effect.map(decode(input), toBlueprint)

/**
 * Who hosts the repository at this address: `github.com`, `gitlab.com` and the hosts below them are
 * known, all others are `generic`.
 */
export const inferSourceProvider = (url: string): SourceProvider => {
  const host = new URL(url).hostname.toLowerCase()
  if (host === "github.com" || host.endsWith(".github.com")) return "github"
  if (host === "gitlab.com" || host.endsWith(".gitlab.com")) return "gitlab"
  return "generic"
}

/** The blueprint of a specification that is decoded already. Total: every legal specification has one. */
export const toBlueprint = (spec: UserWorkspaceSpec): WorkspaceBlueprint => {
  const workspaceRoot = spec.runtime?.workspaceRoot ?? "/workspace"
  return {
    version: "1",
    sources: {
      workspace: workspaceSource(workspaceOf(spec)),
      inputs: (spec.sources?.inputs ?? spec.inputs ?? []).map(workspaceInput)
    },
    harness: harness(spec.harness),
    access: { ssh: ssh(spec.access?.ssh ?? spec.ssh) },
    tooling: { packages: packages(spec.tooling?.packages ?? spec.packages ?? []) },
    customization: {
      defaultShell: "bash",
      dotfilesManager: "auto",
      dotfilesTarget: "home",
      applyDotfiles: true,
      dotfilesBootstrap: true,
      ...spec.customization
    },
    lifecycle: {
      setup: (spec.lifecycle?.setup ?? spec.setup ?? []).map(step),
      startup: startup(spec.lifecycle?.startup ?? spec.startup)
    },
    runtime: {
      env: spec.runtime?.env ?? spec.env ?? {},
      workspaceRoot,
      workingDirectory: spec.runtime?.workingDirectory ?? `${workspaceRoot}/repo`,
      persistence: spec.runtime?.persistence ?? "ephemeral",
      ociRuntime: spec.runtime?.ociRuntime ?? "runc",
      network: { outbound: spec.runtime?.network?.outbound ?? true }
    },
    target: target(spec)
  }
}

const workspaceOf = (spec: UserWorkspaceSpec): SourceRef => {
  const source = spec.sources?.workspace ?? spec.source ?? spec.repo
  // The filter of the schema refused this; only a value that never was decoded gets here.
  if (source === undefined) throw new TypeError("a specification without a source was never decoded")
  return source
}

// Spreading keeps what is optional absent where it is absent, which assigning would not.
const workspaceSource = (source: SourceRef): WorkspaceSource =>
  typeof source === "string"
    ? { kind: "git", provider: inferSourceProvider(source), url: source, ref: "main" }
    : { ...source, provider: source.provider ?? inferSourceProvider(source.url), ref: source.ref ?? "main" }

const workspaceInput = (input: InputSource, index: number): WorkspaceInput => ({
  ...input,
  id: input.id ?? `${input.purpose}-${index + 1}`,
  provider: input.provider ?? inferSourceProvider(input.url),
  ref: input.ref ?? "main"
})

const harness = (given: HarnessRef): WorkspaceHarness => typeof given === "string" ? { id: given } : given

const ssh = (given: SshAccess | undefined): WorkspaceSsh =>
  typeof given === "object"
    ? {
      ...given,
      enabled: given.enabled ?? (given.listenPort !== undefined || given.authorizedKeysRef !== undefined),
      listenPort: given.listenPort ?? 2222
    }
    : { enabled: given ?? false, listenPort: 2222 }

const packages = (given: ReadonlyArray<PackageRef>): ReadonlyArray<WorkspacePackage> => {
  const byId = new Map<string, WorkspacePackage>()
  for (const one of given) {
    const entry = typeof one === "string" ? { id: one } : one
    if (!byId.has(entry.id)) byId.set(entry.id, entry)
  }
  return [...byId.values()]
}

const step = (given: CommandStep): WorkspaceStep =>
  typeof given === "string" ? { run: given, shell: "bash" } : { ...given, shell: given.shell ?? "bash" }

const startup = (given: Startup | undefined): WorkspaceStartup => {
  if (given === undefined || typeof given === "string") return { steps: [], foreground: foreground(given) }
  return isSteps(given)
    ? { steps: given.map(step), foreground: foreground(undefined) }
    : { steps: (given.steps ?? []).map(step), foreground: foreground(given.foreground) }
}

// Array.isArray does not tell a read-only array from an object.
const isSteps = (given: Exclude<Startup, string>): given is ReadonlyArray<CommandStep> => Array.isArray(given)

const foreground = (given: StartupForeground | undefined): WorkspaceForeground => {
  if (given === undefined || given === "harness") return { kind: "harness" }
  if (typeof given === "string") return { kind: "command", run: given, shell: "bash" }
  return given.kind === "harness" ? given : { ...given, shell: given.shell ?? "bash" }
}

const target = ({ os, target: given }: UserWorkspaceSpec): WorkspaceTarget => {
  const system = given?.os ?? os
  const runtime = given?.runtime
  return {
    os: { family: "auto", mode: "prefer", ...(typeof system === "string" ? { family: system } : system) },
    runtime: { family: "auto", mode: "prefer", ...(typeof runtime === "string" ? { family: runtime } : runtime) }
  }
}
