/**
 * The blueprint of a workspace: a specification with every choice made.
 *
 * Stored in `sandbox_attempt_snapshots.blueprint_payload`. The rules are those of section 3 of the
 * description of the payloads.
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

/** The repository that the workspace is a clone of. */
export const WorkspaceSource = strict({
  kind: SourceKind,
  provider: SourceProvider,
  url: GitUrl,
  ref: GitRef,
  authRef: optional(Text)
}, { kind: "git", provider: "generic", ref: "main" })
export type WorkspaceSource = typeof WorkspaceSource.Type

/** A repository that is used beside the workspace: configuration, dotfiles, a bootstrap. */
export const WorkspaceInput = strict({
  id: Text,
  kind: SourceKind,
  purpose: InputPurpose,
  provider: SourceProvider,
  url: GitUrl,
  ref: GitRef,
  authRef: optional(Text),
  mountPath: optional(Text)
}, { kind: "git", provider: "generic", ref: "main" })
export type WorkspaceInput = typeof WorkspaceInput.Type

/** The agent, and the profile it runs with. */
export const WorkspaceHarness = strict({ id: HarnessId, profile: optional(Text) })
export type WorkspaceHarness = typeof WorkspaceHarness.Type

/** Access over SSH: off, on port 2222 if nothing else is said. */
export const WorkspaceSsh = strict({
  enabled: Flag,
  listenPort: Port,
  authorizedKeysRef: optional(Text)
}, { enabled: false, listenPort: 2222 })
export type WorkspaceSsh = typeof WorkspaceSsh.Type

/** A package to install, of any version if none is named. */
export const WorkspacePackage = strict({ id: Text, version: optional(Text) })
export type WorkspacePackage = typeof WorkspacePackage.Type

/** How the sandbox is fitted to its user. */
export const WorkspaceCustomization = strict({
  defaultShell: LoginShell,
  dotfilesManager: DotfilesManager,
  dotfilesTarget: DotfilesTarget,
  applyDotfiles: Flag,
  dotfilesBootstrap: Flag,
  dotfilesBootstrapCommand: optional(Text)
}, {
  defaultShell: "bash",
  dotfilesManager: "auto",
  dotfilesTarget: "home",
  applyDotfiles: true,
  dotfilesBootstrap: true
})
export type WorkspaceCustomization = typeof WorkspaceCustomization.Type

/** A command of the set-up or of the start. */
export const WorkspaceStep = strict({
  id: optional(Text),
  run: Text,
  shell: Shell,
  workingDirectory: optional(Text)
}, { shell: "bash" })
export type WorkspaceStep = typeof WorkspaceStep.Type

/** What runs in the foreground of the sandbox: the agent, or a command. */
export const WorkspaceForeground = byTag("kind", {
  harness: strict({ kind: oneOf("harness") }),
  command: strict({
    kind: oneOf("command"),
    run: Text,
    shell: Shell,
    workingDirectory: optional(Text)
  }, { shell: "bash" })
})
export type WorkspaceForeground = typeof WorkspaceForeground.Type

/** What runs when the sandbox starts. */
export const WorkspaceStartup = strict({
  steps: list(WorkspaceStep),
  foreground: WorkspaceForeground
}, { steps: [], foreground: { kind: "harness" } })
export type WorkspaceStartup = typeof WorkspaceStartup.Type

/** How the sandbox runs. */
export const WorkspaceRuntime = strict({
  env: StringMap,
  workspaceRoot: Text,
  workingDirectory: Text,
  persistence: Persistence,
  ociRuntime: OciRuntime,
  network: strict({ outbound: Flag }, { outbound: true })
}, {
  env: {},
  workspaceRoot: "/workspace",
  workingDirectory: "/workspace/repo",
  persistence: "ephemeral",
  ociRuntime: "runc",
  network: {}
})
export type WorkspaceRuntime = typeof WorkspaceRuntime.Type

/** What the sandbox is built for and runs on. */
export const WorkspaceTarget = strict({
  os: strict({ family: TargetOsFamily, mode: TargetOsMode }, { family: "auto", mode: "prefer" }),
  runtime: strict({ family: TargetRuntimeFamily, mode: TargetRuntimeMode }, { family: "auto", mode: "prefer" })
}, { os: {}, runtime: {} })
export type WorkspaceTarget = typeof WorkspaceTarget.Type

/**
 * The whole blueprint.
 *
 * In: `sources.workspace.url` and `harness.id`; all else has a default. Unknown keys and `null` are
 * refused. Out: every key that has a default is there, so that decoding what was encoded changes
 * nothing.
 */
export const WorkspaceBlueprint = strict({
  version: BlueprintVersion,
  sources: strict({ workspace: WorkspaceSource, inputs: list(WorkspaceInput) }, { inputs: [] }),
  harness: WorkspaceHarness,
  access: strict({ ssh: WorkspaceSsh }, { ssh: {} }),
  tooling: strict({ packages: list(WorkspacePackage) }, { packages: [] }),
  customization: WorkspaceCustomization,
  lifecycle: strict({ setup: list(WorkspaceStep), startup: WorkspaceStartup }, { setup: [], startup: {} }),
  runtime: WorkspaceRuntime,
  target: WorkspaceTarget
}, { version: "1", access: {}, tooling: {}, customization: {}, lifecycle: {}, runtime: {}, target: {} })
  .annotations({ identifier: "WorkspaceBlueprint" })
export type WorkspaceBlueprint = typeof WorkspaceBlueprint.Type
