/**
 * Enumerations and scalars that the documents share.
 */
import { type FastCheck, Predicate, Schema } from "effect"
import { invalid, readAs, when, withDecoder } from "../sql/decoder.js"
import { oneOf, stringMap } from "./shapes.js"

/** The version of the format of blueprints and specifications. */
export const BlueprintVersion = oneOf("1")
export type BlueprintVersion = typeof BlueprintVersion.Type

/** The kind of a source. Git is the only one. */
export const SourceKind = oneOf("git")
export type SourceKind = typeof SourceKind.Type

/** The providers of sources, in documents and rows. */
export const sourceProviders = ["github", "gitlab", "generic"] as const

/** The provider of a source. `generic` for all except GitHub and GitLab. */
export const SourceProvider = oneOf(...sourceProviders)
export type SourceProvider = typeof SourceProvider.Type

/** The coding agent that runs in a sandbox. */
export const HarnessId = oneOf("opencode", "codex", "claude-code")
export type HarnessId = typeof HarnessId.Type

/** The purpose of an input source. */
export const InputPurpose = oneOf("config", "dotfiles", "bootstrap")
export type InputPurpose = typeof InputPurpose.Type

/** The shell that runs a command step. */
export const Shell = oneOf("sh", "bash")
export type Shell = typeof Shell.Type

/** The login shell of a sandbox. */
export const LoginShell = oneOf("bash", "zsh", "fish")
export type LoginShell = typeof LoginShell.Type

/** The tool that applies dotfiles. `auto` detects it from the repository of the dotfiles. */
export const DotfilesManager = oneOf("auto", "chezmoi", "stow", "copy")
export type DotfilesManager = typeof DotfilesManager.Type

/** The target of dotfiles: the home directory, or its configuration directory. */
export const DotfilesTarget = oneOf("home", "config")
export type DotfilesTarget = typeof DotfilesTarget.Type

/** Whether the disk of a sandbox is kept after its end. */
export const Persistence = oneOf("ephemeral", "persistent")
export type Persistence = typeof Persistence.Type

/** The OCI runtime: the standard one, or gVisor's. */
export const OciRuntime = oneOf("runc", "runsc")
export type OciRuntime = typeof OciRuntime.Type

/** The requested family of operating systems. With `auto`, the control plane chooses. */
export const TargetOsFamily = oneOf("auto", "nix", "fedora", "arch")
export type TargetOsFamily = typeof TargetOsFamily.Type

/** Whether the requested family of operating systems is a preference or a requirement. */
export const TargetOsMode = oneOf("prefer", "require")
export type TargetOsMode = typeof TargetOsMode.Type

/** The requested runtime. With `auto`, the control plane chooses. */
export const TargetRuntimeFamily = oneOf("auto", "docker", "k8s", "k3s")
export type TargetRuntimeFamily = typeof TargetRuntimeFamily.Type

/** Whether the requested runtime is a preference or a requirement. */
export const TargetRuntimeMode = oneOf("prefer", "require")
export type TargetRuntimeMode = typeof TargetRuntimeMode.Type

/** The executor that compiled an image. */
export const ExecutorId = oneOf("nix", "fedora", "arch")
export type ExecutorId = typeof ExecutorId.Type

/** The family of operating systems of a build. Excludes `auto`. */
export const ConcreteOsFamily = oneOf("nix", "fedora", "arch")
export type ConcreteOsFamily = typeof ConcreteOsFamily.Type

/** The adapter that launches a sandbox. */
export const RuntimeAdapterId = oneOf("docker", "k8s", "k3s")
export type RuntimeAdapterId = typeof RuntimeAdapterId.Type

/** Any string. */
export const AnyString = withDecoder(
  Schema.String.annotations({ message: () => "must be a string" }),
  when(Predicate.isString)
)

/** `true` or `false`. */
export const Flag = withDecoder(
  Schema.Boolean.annotations({ message: () => "must be a boolean" }),
  when(Predicate.isBoolean)
)

const TrimmedText = AnyString.pipe(
  Schema.filter((text) => text !== "" && text.trim() === text, {
    message: () => "must not be empty",
    jsonSchema: { minLength: 1 }
  })
)

/** A non-empty text. Decoding trims it, and refuses a text of only white space. */
export const Text = withDecoder(
  Schema.transform(AnyString, TrimmedText, {
    strict: true,
    decode: (text) => text.trim(),
    encode: (text) => text
  }).annotations({ parseIssueTitle: () => "text" }),
  (input) => (Predicate.isString(input) && input.trim()) || invalid
)
export type Text = typeof Text.Type

const urlArbitrary = () => (check: typeof FastCheck) =>
  check.oneof(
    check.webUrl(),
    check.constantFrom("https://github.com/acme/app", "ssh://git@gitlab.com/acme/app.git", "file:///srv/app")
  )

/**
 * A URL with any scheme that the WHATWG `URL` constructor accepts, kept unchanged. Stored documents can contain any
 * URL; inputs require a `GitUrl`.
 */
export const UrlString = withDecoder(
  AnyString.pipe(
    Schema.filter((text) => URL.canParse(text), {
      message: () => "must be a URL",
      jsonSchema: { format: "uri" },
      arbitrary: urlArbitrary
    })
  ),
  when((input) => Predicate.isString(input) && URL.canParse(input))
)
export type UrlString = typeof UrlString.Type

const control = /\p{Cc}/u

/**
 * Decodes percent-encoded ASCII characters, as Git does (https://git-scm.com/docs/git-clone#_git_urls). Escapes of
 * other bytes are kept, because `decodeURIComponent` fails for bytes that are not UTF-8.
 */
const decoded = (text: string) =>
  text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))

/**
 * Returns the rule that a URL breaks. Git receives the text unchanged, so both the text and the parsed URL are checked.
 */
const gitUrlProblem = (text: string): string | undefined => {
  if (/^[^\s/:@]+@[^\s/:]+:(?!\/\/)/.test(text)) return "must be a URL: write git@host:path as ssh://git@host/path"
  if (!URL.canParse(text)) return "must be a URL"
  // Remote helpers such as `ext::` run commands: https://git-scm.com/docs/git-remote-ext
  if (!/^(https?|ssh|git|file):\/\//i.test(text)) {
    return "must be a URL that begins with https://, http://, ssh://, git:// or file://"
  }
  if (text.includes("\\") || control.test(text) || control.test(decoded(text))) {
    return "must not contain control characters or backslashes"
  }
  const { hostname, username } = new URL(text)
  // ssh parses such a host or user as an option (CVE-2017-1000117).
  return [hostname, username].some((part) => decoded(part).startsWith("-"))
    ? "must not have a user or a host that begins with -"
    : undefined
}

/**
 * The URL of a Git repository, kept unchanged. Allowed schemes: `https`, `http`, `ssh`, `git` and `file`. URLs that Git
 * or ssh would parse as a command or an option are refused. So is the short form `git@host:path`: write
 * `ssh://git@host/path`.
 */
export const GitUrl = readAs(
  withDecoder(
    AnyString.pipe(
      Schema.filter((text) => gitUrlProblem(text), { jsonSchema: { format: "uri" }, arbitrary: urlArbitrary })
    ),
    when((input) => Predicate.isString(input) && gitUrlProblem(input) === undefined)
  ),
  UrlString
)
export type GitUrl = typeof GitUrl.Type

const isGitRef = (text: string) => !text.startsWith("-") && !control.test(text)

/** A Git branch, tag or commit, trimmed. A leading `-` is refused, because Git would parse the text as an option. */
export const GitRef = readAs(
  withDecoder(
    Text.pipe(Schema.filter(isGitRef, { message: () => "must not begin with - or contain control characters" })),
    (input) => {
      const text = Predicate.isString(input) ? input.trim() : ""
      return text !== "" && isGitRef(text) ? text : invalid
    }
  ),
  Text
)
export type GitRef = typeof GitRef.Type

/** A TCP port. */
export const Port = withDecoder(
  Schema.Number.annotations({ message: () => "must be a number" }).pipe(
    Schema.int({ message: () => "must be an integer" }),
    Schema.between(1, 65_535, { message: () => "must be between 1 and 65535" })
  ),
  when((input) => Number.isInteger(input) && Number(input) >= 1 && Number(input) <= 65_535)
)
export type Port = typeof Port.Type

/** A map of strings, for example environment variables, with arbitrary keys and values. */
export const StringMap = stringMap
export type StringMap = typeof StringMap.Type
