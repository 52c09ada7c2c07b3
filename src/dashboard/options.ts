/**
 * The options of a Dashboard.
 */
import { Data, Effect, Redacted } from "effect"
import { userInfo } from "node:os"

/** Options of `Dashboard.layer` and `Dashboard.httpApp`. */
export interface DashboardOptions {
  /** The path below which the Dashboard is mounted: `/ops`. Default: the root. */
  readonly path?: string | undefined
  /** Without any endpoint that writes, and without documents of rows. Default: false. */
  readonly readOnly?: boolean | undefined
  /** With the documents of jobs, deliveries, events and artifacts, which may be confidential. Default: true. */
  readonly payloads?: boolean | undefined
  /**
   * The token that a person enters in the login form: at least 32 characters. Required unless every address of the
   * server is loopback, or another program in front of it authenticates all requests. Default: no login.
   */
  readonly token?: Redacted.Redacted | undefined
  /** The name of the operator in the journal. Default: the name of the user of the operating system. */
  readonly actor?: string | undefined
  /**
   * Names under which browsers reach the server, without port: `ops.example.org`. Loopback names and IP addresses are
   * always allowed. Other names are refused, so that a page of another site cannot reach the server through DNS.
   */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** The directory of backups. Default: `backups` beside the database file. */
  readonly backupDirectory?: string | undefined
}

/** An option of the Dashboard is invalid. The message names the option and its rule. */
export class DashboardConfigError extends Data.TaggedError("DashboardConfigError")<{
  readonly option: string
  readonly problem: string
}> {
  override get message() {
    return `${this.option}: ${this.problem}`
  }
}

/** The minimum length of a token. */
export const minTokenLength = 32

/** The root, or a path without a slash at the end. */
type MountPath = "" | `/${string}`

const isMountPath = (text: string): text is MountPath => /^(\/[\w.~-]+)*$/.test(text)

/** The options with their defaults. */
export interface Settings {
  /** Empty for the root, otherwise without a slash at the end: `/ops`. */
  readonly path: MountPath
  readonly readOnly: boolean
  readonly payloads: boolean
  readonly token: Redacted.Redacted | undefined
  readonly actor: string
  readonly allowedHosts: ReadonlyArray<string>
  readonly backupDirectory: string | undefined
}

const refuse = (option: string, problem: string) => Effect.fail(new DashboardConfigError({ option, problem }))

// The user of the process may have no entry, as in a container with a numeric user.
const systemUser = (): string => {
  try {
    return userInfo().username
  } catch {
    return "unknown"
  }
}

/** Checks the options. Fails with `DashboardConfigError`. */
export const settingsOf = (options: DashboardOptions): Effect.Effect<Settings, DashboardConfigError> => {
  const { actor = systemUser(), allowedHosts = [], path = "", payloads = true, readOnly = false, token } = options
  const base = path.replace(/\/+$/, "")
  if (!isMountPath(base)) {
    return refuse("path", "must begin with / and contain letters, digits and the characters - . _ ~")
  }
  if (token !== undefined && Redacted.value(token).length < minTokenLength) {
    return refuse("token", `must have at least ${minTokenLength} characters; \`openssl rand -hex 32\` makes one`)
  }
  if (actor.trim() === "" || actor.length > 255) return refuse("actor", "must be a name of 1 to 255 characters")
  return Effect.succeed({
    path: base,
    readOnly,
    payloads: payloads && !readOnly,
    token,
    actor,
    allowedHosts: allowedHosts.map((host) => host.toLowerCase()),
    backupDirectory: options.backupDirectory
  })
}
