/**
 * The blueprint of a workspace: a normalized specification without short forms, with all defaults applied.
 *
 * Stored in `sandbox_attempt_snapshots.blueprint_payload`.
 */
import {
  BlueprintVersion,
  DotfilesManager,
  DotfilesTarget,
  Flag,
  GitRef,
  GitUrl,
  HarnessId,
  InputPurpose,
  LoginShell,
  OciRuntime,
  Persistence,
  Port,
  Shell,
  SourceKind,
  SourceProvider,
  StringMap,
  TargetOsFamily,
  TargetOsMode,
  TargetRuntimeFamily,
  TargetRuntimeMode,
  Text
} from "./enumerations.js"
import { byTag, list, oneOf, optional, strict } from "./shapes.js"

/** The repository of the workspace. */
export const WorkspaceSource = strict(
  {
    kind: SourceKind,
    provider: SourceProvider,
    url: GitUrl,
    ref: GitRef,
    authRef: optional(Text)
  },
  { kind: "git", provider: "generic", ref: "main" }
)
export type WorkspaceSource = typeof WorkspaceSource.Type

/** An additional repository, for configuration, dotfiles or a bootstrap. */
export const WorkspaceInput = strict(
  {
    id: Text,
    kind: SourceKind,
    purpose: InputPurpose,
    provider: SourceProvider,
    url: GitUrl,
    ref: GitRef,
    authRef: optional(Text),
    mountPath: optional(Text)
  },
  { kind: "git", provider: "generic", ref: "main" }
)
export type WorkspaceInput = typeof WorkspaceInput.Type

/** The coding agent and its profile. */
export const WorkspaceHarness = strict({ id: HarnessId, profile: optional(Text) })
export type WorkspaceHarness = typeof WorkspaceHarness.Type

/** SSH access. Defaults: disabled, port 2222. */
export const WorkspaceSsh = strict(
  {
    enabled: Flag,
    listenPort: Port,
    authorizedKeysRef: optional(Text)
  },
  { enabled: false, listenPort: 2222 }
)
export type WorkspaceSsh = typeof WorkspaceSsh.Type

/** A package to install. Any version if `version` is absent. */
export const WorkspacePackage = strict({ id: Text, version: optional(Text) })
export type WorkspacePackage = typeof WorkspacePackage.Type

/** The customization of a sandbox for its user. */
export const WorkspaceCustomization = strict(
  {
    defaultShell: LoginShell,
    dotfilesManager: DotfilesManager,
    dotfilesTarget: DotfilesTarget,
    applyDotfiles: Flag,
    dotfilesBootstrap: Flag,
    dotfilesBootstrapCommand: optional(Text)
  },
  {
    defaultShell: "bash",
    dotfilesManager: "auto",
    dotfilesTarget: "home",
    applyDotfiles: true,
    dotfilesBootstrap: true
  }
)
export type WorkspaceCustomization = typeof WorkspaceCustomization.Type

/** A command of the setup or the startup. */
export const WorkspaceStep = strict(
  {
    id: optional(Text),
    run: Text,
    shell: Shell,
    workingDirectory: optional(Text)
  },
  { shell: "bash" }
)
export type WorkspaceStep = typeof WorkspaceStep.Type

/** The foreground process of the sandbox: the agent, or a command. */
export const WorkspaceForeground = byTag("kind", {
  harness: strict({ kind: oneOf("harness") }),
  command: strict(
    {
      kind: oneOf("command"),
      run: Text,
      shell: Shell,
      workingDirectory: optional(Text)
    },
    { shell: "bash" }
  )
})
export type WorkspaceForeground = typeof WorkspaceForeground.Type

/** The startup of the sandbox: steps, then the foreground process. */
export const WorkspaceStartup = strict(
  {
    steps: list(WorkspaceStep),
    foreground: WorkspaceForeground
  },
  { steps: [], foreground: { kind: "harness" } }
)
export type WorkspaceStartup = typeof WorkspaceStartup.Type

/** The runtime settings of the sandbox. */
export const WorkspaceRuntime = strict(
  {
    env: StringMap,
    workspaceRoot: Text,
    workingDirectory: Text,
    persistence: Persistence,
    ociRuntime: OciRuntime,
    network: strict({ outbound: Flag }, { outbound: true })
  },
  {
    env: {},
    workspaceRoot: "/workspace",
    workingDirectory: "/workspace/repo",
    persistence: "ephemeral",
    ociRuntime: "runc",
    network: {}
  }
)
export type WorkspaceRuntime = typeof WorkspaceRuntime.Type

/** The operating system and the runtime of the sandbox. */
export const WorkspaceTarget = strict(
  {
    os: strict({ family: TargetOsFamily, mode: TargetOsMode }, { family: "auto", mode: "prefer" }),
    runtime: strict({ family: TargetRuntimeFamily, mode: TargetRuntimeMode }, { family: "auto", mode: "prefer" })
  },
  { os: {}, runtime: {} }
)
export type WorkspaceTarget = typeof WorkspaceTarget.Type

/**
 * The blueprint of a workspace.
 *
 * Encoded: `sources.workspace.url` and `harness.id` are required; all other keys are optional or have defaults. Unknown
 * keys and `null` are refused. Decoded: every key with a default is present, so decoding an encoded blueprint changes
 * nothing.
 */
export const WorkspaceBlueprint = strict(
  {
    version: BlueprintVersion,
    sources: strict({ workspace: WorkspaceSource, inputs: list(WorkspaceInput) }, { inputs: [] }),
    harness: WorkspaceHarness,
    access: strict({ ssh: WorkspaceSsh }, { ssh: {} }),
    tooling: strict({ packages: list(WorkspacePackage) }, { packages: [] }),
    customization: WorkspaceCustomization,
    lifecycle: strict({ setup: list(WorkspaceStep), startup: WorkspaceStartup }, { setup: [], startup: {} }),
    runtime: WorkspaceRuntime,
    target: WorkspaceTarget
  },
  { version: "1", access: {}, tooling: {}, customization: {}, lifecycle: {}, runtime: {}, target: {} }
).annotations({ identifier: "WorkspaceBlueprint" })
export type WorkspaceBlueprint = typeof WorkspaceBlueprint.Type
