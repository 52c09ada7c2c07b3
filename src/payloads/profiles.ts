/**
 * Application of profiles to a specification.
 */
import { Schema } from "effect"
import { onFirstUse, readingOf } from "../sql/decoder.js"
import {
  type CommandStep,
  type HarnessRef,
  type InputSource,
  type PackageRef,
  type PartialUserWorkspaceSpec,
  type SshAccess,
  type Startup,
  type TargetOs,
  type TargetRuntime,
  UserWorkspaceSpec
} from "./UserWorkspaceSpec.js"

/**
 * Applies the run template of a repository profile and the patch of a user's profile to the specification of a launch.
 * Pure. Returns the resolved specification, a valid `UserWorkspaceSpec`.
 *
 * Order: the specification of the launch takes precedence over the profile of the user, and the profile of the user
 * over the profile of the repository. A profile fills what the more specific document leaves open, and never changes
 * what that document contains.
 *
 * | setting | rule |
 * |---|---|
 * | the source (`source`, `repo`, `sources.workspace`) | that of the specification |
 * | single values, and the keys of `runtime`, `runtime.network` and `customization` | the most specific one |
 * | `env` | merged by key |
 * | `ssh` | merged by key; `enabled` is implied as in `normalizeUserWorkspaceSpec` |
 * | `harness`, `os`, `target.runtime` | merged by key if both name the same harness or family, or one names none; else the most specific one |
 * | `packages` | the specific ones first, then those with other ids; a missing version is filled |
 * | `inputs` | the specific ones first, then the others |
 * | `setup`, `startup.steps` | the general ones first, without those that the more specific list contains |
 * | `startup.foreground` | the most specific one |
 *
 * Two inputs or steps are the same if they have the same id or, without ids, the same content. A setting with two names
 * keeps the name that the specification uses, else it has the long one (`runtime.env`).
 *
 * Applying the same profiles again changes nothing. Absent and empty profiles change nothing.
 *
 * @example
 * ```ts
 * import { applyProfiles } from "@sealant/db/payloads"
 *
 * const resolved = applyProfiles(
 *   { source: "https://github.com/acme/app", harness: "codex", env: { LOG: "debug" } },
 *   { setup: ["npm ci"], env: { LOG: "info", CI: "1" } },
 *   { os: "fedora", packages: ["ripgrep"] }
 * )
 * console.log(resolved.env, resolved.lifecycle?.setup) // { LOG: "debug", CI: "1" } [ "npm ci" ]
 * ```
 */
export const applyProfiles = (
  spec: UserWorkspaceSpec,
  repositoryProfile?: PartialUserWorkspaceSpec,
  profile?: PartialUserWorkspaceSpec
): UserWorkspaceSpec => fill(fill(spec, profile), repositoryProfile)

// Removes keys that are undefined. Accepts any stored source, because a profile may be older than the rules of sources.
const withoutAbsent = onFirstUse(() => Schema.decodeSync(readingOf(UserWorkspaceSpec)))

const fill = (spec: UserWorkspaceSpec, base: PartialUserWorkspaceSpec | undefined): UserWorkspaceSpec => {
  if (base === undefined) return spec
  const inputs = either(base.inputs ?? base.sources?.inputs, spec.inputs ?? spec.sources?.inputs, withInputs)
  const ssh = either(base.ssh ?? base.access?.ssh, spec.ssh ?? spec.access?.ssh, withSsh)
  const packages = withPackages(base.packages ?? base.tooling?.packages, spec.packages ?? spec.tooling?.packages)
  const setup = either(base.setup ?? base.lifecycle?.setup, spec.setup ?? spec.lifecycle?.setup, withSteps)
  const startup = either(base.startup ?? base.lifecycle?.startup, spec.startup ?? spec.lifecycle?.startup, withStartup)
  const env = either(base.env ?? base.runtime?.env, spec.env ?? spec.runtime?.env, withKeys)
  const os = either(base.os ?? base.target?.os, spec.os ?? spec.target?.os, withOs)
  const network = either(base.runtime?.network, spec.runtime?.network, withKeys)

  const short = {
    inputs: spec.inputs && inputs,
    ssh: spec.ssh === undefined ? undefined : ssh,
    packages: spec.packages && packages,
    setup: spec.setup && setup,
    startup: spec.startup === undefined ? undefined : startup,
    env: spec.env && env,
    os: spec.os && os
  }
  const long = <A>(name: keyof typeof short, value: A) => (short[name] === undefined ? value : undefined)
  return withoutAbsent({
    ...spec,
    ...short,
    version: spec.version ?? base.version,
    harness: either(base.harness, spec.harness, withHarness) ?? spec.harness,
    sources: section({ ...spec.sources, inputs: long("inputs", inputs) }, spec.sources),
    access: section({ ssh: long("ssh", ssh) }, spec.access),
    tooling: section({ packages: long("packages", packages) }, spec.tooling),
    lifecycle: section({ setup: long("setup", setup), startup: long("startup", startup) }, spec.lifecycle),
    runtime: section({ ...base.runtime, ...spec.runtime, env: long("env", env), network }, spec.runtime),
    customization: either(base.customization, spec.customization, withKeys),
    target: section(
      {
        os: long("os", os),
        runtime: either(base.target?.runtime, spec.target?.runtime, withTargetRuntime)
      },
      spec.target
    )
  })
}

/** Merges two values, or returns the one that is present. */
const either = <A>(base: A | undefined, own: A | undefined, merge: (base: A, own: A) => A): A | undefined =>
  own === undefined ? base : base === undefined ? own : merge(base, own)

/** Omits a section without content, unless the specification contains it. */
const section = <A extends object>(merged: A, own: object | undefined): A | undefined =>
  own === undefined && Object.values(merged).every((value) => value === undefined) ? undefined : merged

const withKeys = <A extends object>(base: A, own: A): A => ({ ...base, ...own })

/** Merges two objects by key if they name the same thing, or one of them names none. */
const withSame = <A extends object>(base: A, own: A, nameOf: (value: A) => string | undefined): A => {
  const [general, specific] = [nameOf(base), nameOf(own)]
  return general === undefined || specific === undefined || general === specific ? { ...base, ...own } : own
}

const harnessOf = (ref: HarnessRef) => (typeof ref === "string" ? { id: ref } : ref)
const withHarness = (base: HarnessRef, own: HarnessRef): HarnessRef =>
  keepText(
    own,
    withSame(harnessOf(base), harnessOf(own), ({ id }) => id)
  )

const osOf = (os: TargetOs) => (typeof os === "string" ? { family: os } : os)
const withOs = (base: TargetOs, own: TargetOs): TargetOs =>
  keepText(
    own,
    withSame(osOf(base), osOf(own), ({ family }) => family)
  )

const runtimeOf = (runtime: TargetRuntime) => (typeof runtime === "string" ? { family: runtime } : runtime)
const withTargetRuntime = (base: TargetRuntime, own: TargetRuntime): TargetRuntime =>
  keepText(
    own,
    withSame(runtimeOf(base), runtimeOf(own), ({ family }) => family)
  )

/** Keeps a short form to which the merge has added no key. */
const keepText = <A>(own: A, merged: A & object): A =>
  typeof own === "string" && Object.keys(merged).length === 1 ? own : merged

/** Returns the settings with `enabled` as it is implied, so that the other document cannot change its meaning. */
const sshOf = (access: SshAccess) => {
  if (typeof access === "boolean") return { enabled: access }
  const isImplied = access.listenPort !== undefined || access.authorizedKeysRef !== undefined
  return isImplied ? { enabled: true, ...access } : access
}

const withSsh = (base: SshAccess, own: SshAccess): SshAccess => {
  const specific = sshOf(own)
  const merged = { ...sshOf(base), ...specific }
  return Object.keys(merged).length === Object.keys(specific).length ? own : merged
}

const packageOf = (ref: PackageRef) => (typeof ref === "string" ? { id: ref } : ref)

// The packages that are added are filled too, because a list may name a package twice, once without a version.
const withPackages = (base?: ReadonlyArray<PackageRef>, own?: ReadonlyArray<PackageRef>) => {
  if (base === undefined) return own
  const general = base.map(packageOf)
  const filled = (ref: PackageRef): PackageRef => {
    const { id, version } = packageOf(ref)
    const versioned = general.find((one) => one.id === id && one.version !== undefined)
    return version !== undefined || versioned === undefined ? ref : versioned
  }
  return [...(own ?? []), ...missingIn(own ?? [], base, (ref) => packageOf(ref).id)].map(filled)
}

const inputKey = ({ authRef, id, mountPath, provider, purpose, ref, url }: InputSource) =>
  JSON.stringify(id === undefined ? [purpose, url, ref, provider, authRef, mountPath] : [id])

const withInputs = (base: ReadonlyArray<InputSource>, own: ReadonlyArray<InputSource>) => [
  ...own,
  ...missingIn(own, base, inputKey)
]

const stepKey = (step: CommandStep) => {
  const {
    id,
    run,
    shell = "bash",
    workingDirectory
  }: Exclude<CommandStep, string> = typeof step === "string" ? { run: step } : step
  return JSON.stringify(id === undefined ? [run, shell, workingDirectory] : [id])
}

const withSteps = (base: ReadonlyArray<CommandStep>, own: ReadonlyArray<CommandStep>) => [
  ...missingIn(own, base, stepKey),
  ...own
]

/** Returns the items of `base` whose key no item of `own` has. */
const missingIn = <A>(own: ReadonlyArray<A>, base: ReadonlyArray<A>, keyOf: (item: A) => string): ReadonlyArray<A> => {
  const keys = new Set(own.map(keyOf))
  return base.filter((item) => !keys.has(keyOf(item)))
}

const startupOf = (startup: Startup) =>
  typeof startup === "string" ? { foreground: startup } : isSteps(startup) ? { steps: startup } : startup

// A type guard, because Array.isArray does not narrow read-only arrays.
const isSteps = (startup: Exclude<Startup, string>): startup is ReadonlyArray<CommandStep> => Array.isArray(startup)

type StartupParts = Exclude<Startup, string | ReadonlyArray<CommandStep>>

const withStartup = (base: Startup, own: Startup): Startup => {
  const general: StartupParts = startupOf(base)
  const specific: StartupParts = startupOf(own)
  const steps = either(general.steps, specific.steps, withSteps)
  const isFilled =
    specific.steps?.length !== steps?.length || (specific.foreground === undefined && general.foreground !== undefined)
  return isFilled ? { ...general, ...specific, ...(steps === undefined ? {} : { steps }) } : own
}
