/**
 * Normalization of a specification to a blueprint.
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
 * Decodes a specification and builds its blueprint.
 *
 * Fails with a `ParseError` that contains all issues of the specification. Their messages contain rules, not values.
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
): Effect.Effect<WorkspaceBlueprint, ParseResult.ParseError> => Effect.map(decode(input), toBlueprint)

/**
 * Returns the provider of the repository at this URL: `github` or `gitlab` for `github.com`, `gitlab.com` and their
 * subdomains, `generic` for all other hosts.
 */
export const inferSourceProvider = (url: string): SourceProvider => {
  const host = new URL(url).hostname.toLowerCase()
  if (host === "github.com" || host.endsWith(".github.com")) return "github"
  if (host === "gitlab.com" || host.endsWith(".gitlab.com")) return "gitlab"
  return "generic"
}

/** Builds the blueprint of a decoded specification. Never fails for a value that `UserWorkspaceSpec` has decoded. */
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
  // The schema requires a source, so only a value that bypassed it gets here.
  if (source === undefined) {
    throw new TypeError("the specification has no source; decode it with UserWorkspaceSpec first")
  }
  return source
}

// Spreading keeps absent optional keys absent. Assigning them would set them to undefined.
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

const harness = (ref: HarnessRef): WorkspaceHarness => (typeof ref === "string" ? { id: ref } : ref)

const ssh = (access: SshAccess | undefined): WorkspaceSsh =>
  typeof access === "object"
    ? {
        ...access,
        enabled: access.enabled ?? (access.listenPort !== undefined || access.authorizedKeysRef !== undefined),
        listenPort: access.listenPort ?? 2222
      }
    : { enabled: access ?? false, listenPort: 2222 }

const packages = (refs: ReadonlyArray<PackageRef>): ReadonlyArray<WorkspacePackage> => {
  const byId = new Map<string, WorkspacePackage>()
  for (const ref of refs) {
    const entry = typeof ref === "string" ? { id: ref } : ref
    if (!byId.has(entry.id)) byId.set(entry.id, entry)
  }
  return [...byId.values()]
}

const step = (command: CommandStep): WorkspaceStep =>
  typeof command === "string" ? { run: command, shell: "bash" } : { ...command, shell: command.shell ?? "bash" }

const startup = (spec: Startup | undefined): WorkspaceStartup => {
  if (spec === undefined || typeof spec === "string") return { steps: [], foreground: foreground(spec) }
  return isSteps(spec)
    ? { steps: spec.map(step), foreground: foreground(undefined) }
    : { steps: (spec.steps ?? []).map(step), foreground: foreground(spec.foreground) }
}

// A type guard, because Array.isArray does not narrow read-only arrays.
const isSteps = (spec: Exclude<Startup, string>): spec is ReadonlyArray<CommandStep> => Array.isArray(spec)

const foreground = (spec: StartupForeground | undefined): WorkspaceForeground => {
  if (spec === undefined || spec === "harness") return { kind: "harness" }
  if (typeof spec === "string") return { kind: "command", run: spec, shell: "bash" }
  return spec.kind === "harness" ? spec : { ...spec, shell: spec.shell ?? "bash" }
}

const target = ({ os, target: requested }: UserWorkspaceSpec): WorkspaceTarget => {
  const system = requested?.os ?? os
  const runtime = requested?.runtime
  return {
    os: { family: "auto", mode: "prefer", ...(typeof system === "string" ? { family: system } : system) },
    runtime: { family: "auto", mode: "prefer", ...(typeof runtime === "string" ? { family: runtime } : runtime) }
  }
}
