/**
 * The specification of a workspace, as a user writes it, with its short forms.
 *
 * Stored in `oci_image_build_jobs.request_payload` and in the two specifications of `sandbox_attempt_snapshots`. The
 * partial form is stored in `profile_revisions.config_patch` and `repository_profile_revisions.run_template`.
 */
import { Schema, Struct } from "effect"
import { readAs, readingOf, withFilter } from "../sql/decoder.js"
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
import { byKind, byTag, list, oneOf, optional, strict } from "./shapes.js"

/** A repository: its URL, or an object with provider, ref and credentials. */
export const SourceRef = byKind({
  string: GitUrl,
  object: strict(
    {
      kind: SourceKind,
      provider: optional(SourceProvider),
      url: GitUrl,
      ref: optional(GitRef),
      authRef: optional(Text)
    },
    { kind: "git" }
  )
})
export type SourceRef = typeof SourceRef.Type

/** An additional repository, with its purpose and mount path. */
export const InputSource = strict(
  {
    id: optional(Text),
    kind: SourceKind,
    purpose: InputPurpose,
    provider: optional(SourceProvider),
    url: GitUrl,
    ref: optional(GitRef),
    authRef: optional(Text),
    mountPath: optional(Text)
  },
  { kind: "git" }
)
export type InputSource = typeof InputSource.Type

/** The coding agent: its id, or an object with its profile. */
export const HarnessRef = byKind({
  string: HarnessId,
  object: strict({ id: HarnessId, profile: optional(Text) })
})
export type HarnessRef = typeof HarnessRef.Type

/** SSH access: enabled or disabled, or an object with settings. */
export const SshAccess = byKind({
  boolean: Flag,
  object: strict({ enabled: optional(Flag), listenPort: optional(Port), authorizedKeysRef: optional(Text) })
})
export type SshAccess = typeof SshAccess.Type

/** A package: its id, or an object with a version. */
export const PackageRef = byKind({
  string: Text,
  object: strict({ id: Text, version: optional(Text) })
})
export type PackageRef = typeof PackageRef.Type

/** A command: its text, or an object with shell and working directory. */
export const CommandStep = byKind({
  string: Text,
  object: strict({
    id: optional(Text),
    run: Text,
    shell: optional(Shell),
    workingDirectory: optional(Text)
  })
})
export type CommandStep = typeof CommandStep.Type

/** The foreground process: `"harness"` for the agent, any other text for a command, or an object of either kind. */
export const StartupForeground = byKind({
  string: Text,
  object: byTag("kind", {
    harness: strict({ kind: oneOf("harness") }),
    command: strict({
      kind: oneOf("command"),
      run: Text,
      shell: optional(Shell),
      workingDirectory: optional(Text)
    })
  })
})
export type StartupForeground = typeof StartupForeground.Type

/** The startup of a sandbox: a text is the foreground process, a list contains the steps, an object has both. */
export const Startup = byKind({
  string: Text,
  array: list(CommandStep),
  object: strict({ steps: optional(list(CommandStep)), foreground: optional(StartupForeground) })
})
export type Startup = typeof Startup.Type

/** The requested operating system: its family, or an object with family and mode. */
export const TargetOs = byKind({
  string: TargetOsFamily,
  object: strict({ family: optional(TargetOsFamily), mode: optional(TargetOsMode) })
})
export type TargetOs = typeof TargetOs.Type

/** The requested runtime: its family, or an object with family and mode. */
export const TargetRuntime = byKind({
  string: TargetRuntimeFamily,
  object: strict({ family: optional(TargetRuntimeFamily), mode: optional(TargetRuntimeMode) })
})
export type TargetRuntime = typeof TargetRuntime.Type

const fields = {
  version: optional(BlueprintVersion),
  source: optional(SourceRef),
  repo: optional(SourceRef),
  sources: optional(strict({ workspace: optional(SourceRef), inputs: optional(list(InputSource)) })),
  inputs: optional(list(InputSource)),
  ssh: optional(SshAccess),
  access: optional(strict({ ssh: optional(SshAccess) })),
  packages: optional(list(PackageRef)),
  tooling: optional(strict({ packages: optional(list(PackageRef)) })),
  setup: optional(list(CommandStep)),
  startup: optional(Startup),
  lifecycle: optional(strict({ setup: optional(list(CommandStep)), startup: optional(Startup) })),
  env: optional(StringMap),
  runtime: optional(
    strict({
      env: optional(StringMap),
      workspaceRoot: optional(Text),
      workingDirectory: optional(Text),
      persistence: optional(Persistence),
      ociRuntime: optional(OciRuntime),
      network: optional(strict({ outbound: optional(Flag) }))
    })
  ),
  customization: optional(
    strict({
      defaultShell: optional(LoginShell),
      dotfilesManager: optional(DotfilesManager),
      dotfilesTarget: optional(DotfilesTarget),
      applyDotfiles: optional(Flag),
      dotfilesBootstrap: optional(Flag),
      dotfilesBootstrapCommand: optional(Text)
    })
  ),
  os: optional(TargetOs),
  target: optional(strict({ os: optional(TargetOs), runtime: optional(TargetRuntime) }))
}

// One filter that reports all issues, because a chain of filters stops at the first failure.
const PartialFields = strict({ ...fields, harness: optional(HarnessRef) })
type PartialFields = typeof PartialFields.Type

const aliasIssues = (spec: PartialFields): Array<Schema.FilterIssue> => {
  const pairs = [
    ["inputs", "sources.inputs", spec.inputs, spec.sources?.inputs],
    ["ssh", "access.ssh", spec.ssh, spec.access?.ssh],
    ["packages", "tooling.packages", spec.packages, spec.tooling?.packages],
    ["setup", "lifecycle.setup", spec.setup, spec.lifecycle?.setup],
    ["startup", "lifecycle.startup", spec.startup, spec.lifecycle?.startup],
    ["env", "runtime.env", spec.env, spec.runtime?.env],
    ["os", "target.os", spec.os, spec.target?.os]
  ] as const
  const issues: Array<Schema.FilterIssue> = []
  if (sourcesOf(spec) > 1) {
    issues.push({ path: ["source"], message: "give only one of source, repo and sources.workspace" })
  }
  for (const [short, long, first, second] of pairs) {
    if (first !== undefined && second !== undefined) {
      issues.push({ path: [short], message: `give only one of ${short} and ${long}` })
    }
  }
  return issues
}

const sourcesOf = (spec: PartialFields) =>
  [spec.source, spec.repo, spec.sources?.workspace].filter((source) => source !== undefined).length

const WholeFields = strict({ ...fields, harness: HarnessRef })

const specificationIssues = (spec: typeof WholeFields.Type): Array<Schema.FilterIssue> =>
  sourcesOf(spec) === 0
    ? [{ path: ["source"], message: "one of source, repo and sources.workspace is required" }, ...aliasIssues(spec)]
    : aliasIssues(spec)

// For generated values only. Otherwise they have both names of most pairs, and the filter rejects nearly all of them.
const withOneName = (spec: PartialFields, short: boolean): PartialFields =>
  short
    ? Struct.omit(spec, "access", "lifecycle", "repo", "runtime", "sources", "target", "tooling")
    : Struct.omit(spec, "env", "inputs", "os", "packages", "repo", "setup", "source", "ssh", "startup")

const withSource = (spec: PartialFields, url: string): PartialFields =>
  spec.source === undefined ? { ...spec, sources: { workspace: url, ...spec.sources } } : spec

const specificationOf = <I>(fields: Schema.Schema<typeof WholeFields.Type, I>) =>
  withFilter(
    fields.pipe(
      Schema.filter(specificationIssues, {
        identifier: "UserWorkspaceSpec",
        arbitrary: (fields) => (check) =>
          check
            .tuple(fields(check), check.boolean(), check.webUrl())
            .map(([spec, short, url]) => ({ ...withSource(withOneName(spec, short), url), harness: spec.harness }))
      })
    ),
    fields,
    (spec) => specificationIssues(spec).length === 0
  )

const partOf = <I>(fields: Schema.Schema<PartialFields, I>) =>
  withFilter(
    fields.pipe(
      Schema.filter(aliasIssues, {
        identifier: "PartialUserWorkspaceSpec",
        arbitrary: (fields) => (check) =>
          check.tuple(fields(check), check.boolean()).map(([spec, short]) => withOneName(spec, short))
      })
    ),
    fields,
    (spec) => aliasIssues(spec).length === 0
  )

/**
 * The specification of a workspace.
 *
 * Encoded:
 * - `harness` and exactly one of `source`, `repo` and `sources.workspace` are required.
 * - Seven settings have two names: `inputs` and `sources.inputs`, `ssh` and `access.ssh`, `packages` and
 *   `tooling.packages`, `setup` and `lifecycle.setup`, `startup` and `lifecycle.startup`, `env` and `runtime.env`, `os`
 *   and `target.os`. At most one name of each pair may be present.
 * - Unknown keys and `null` are refused. A key with the value `undefined` is treated as absent.
 * - Source URLs must be `GitUrl`s. Stored specifications are decoded with any URL.
 *
 * Decoded: the same document with trimmed texts, and with `kind: "git"` in source objects. Short forms are kept;
 * `normalizeUserWorkspaceSpec` resolves them.
 */
export const UserWorkspaceSpec = readAs(specificationOf(WholeFields), specificationOf(readingOf(WholeFields)))
export type UserWorkspaceSpec = typeof UserWorkspaceSpec.Type

/**
 * A partial specification, for profiles and run templates. All keys are optional; the other rules are those of
 * `UserWorkspaceSpec`. At most one name of each pair, and one of the three names of the source, may be present, because
 * the specification that results from the patch would be invalid.
 */
export const PartialUserWorkspaceSpec = readAs(partOf(PartialFields), partOf(readingOf(PartialFields)))
export type PartialUserWorkspaceSpec = typeof PartialUserWorkspaceSpec.Type
