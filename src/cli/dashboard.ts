/**
 * `sealant-db dashboard`: serves the web page for operators.
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Data, Effect, Option, Redacted } from "effect"
import { isIP } from "node:net"
import { minTokenLength } from "../dashboard/options.js"
import { secretVariable } from "../libsql/settings.js"

const defaultPort = 5480

const tokenName = "SEALANT_DASHBOARD_TOKEN"

const port = Options.integer("port").pipe(
  Options.mapEffect((port) =>
    port >= 0 && port <= 65_535
      ? Effect.succeed(port)
      : Effect.fail(ValidationError.invalidValue(HelpDoc.p("--port must be from 0 to 65535; 0 takes a free port")))
  ),
  Options.withDescription(`Port; default ${defaultPort}. 0 takes a free port.`),
  Options.withDefault(defaultPort)
)

const host = Options.text("host").pipe(
  Options.withDescription("Address or name to listen on; default 127.0.0.1. Any other than loopback needs a token."),
  Options.withDefault("127.0.0.1")
)

const readOnly = Options.boolean("read-only").pipe(
  Options.withDescription("Without actions, and without documents of rows.")
)

const noPayloads = Options.boolean("no-payloads").pipe(
  Options.withDescription("Without the documents of jobs, deliveries, events and artifacts.")
)

const open = Options.boolean("open").pipe(Options.withDescription("Open the page in the browser of this computer."))

const token = Options.redacted("token").pipe(
  Options.withDescription(
    `Token of the login form, 32 characters or more. Other users of this computer can see it; prefer ${tokenName}.`
  ),
  Options.optional
)

const as = Options.text("as").pipe(
  Options.mapEffect((name) =>
    name.trim() !== "" && name.length <= 255
      ? Effect.succeed(name)
      : Effect.fail(ValidationError.invalidValue(HelpDoc.p("--as must be a name of 1 to 255 characters")))
  ),
  Options.withDescription("Name of the operator in the journal; default the user of the operating system."),
  Options.optional
)

/** Returns whether a host is reachable from this computer only. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

/** An option or a variable is invalid. */
class InvalidSetting extends Data.TaggedError("InvalidSetting")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** The token of the option, or else of the environment. An empty variable counts as unset. */
const tokenOf = (given: Option.Option<Redacted.Redacted>) =>
  Effect.gen(function* () {
    const token = Option.isSome(given)
      ? given
      : yield* Effect.mapError(
          secretVariable(tokenName),
          (problem) => new InvalidSetting({ problem: `${tokenName}: ${problem}` })
        )
    if (Option.exists(token, (text) => Redacted.value(text).length < minTokenLength)) {
      return yield* new InvalidSetting({
        problem: `${Option.isSome(given) ? "--token" : tokenName}: must have ${minTokenLength} characters or more; \`openssl rand -hex 32\` makes one`
      })
    }
    return token
  })

const needsToken = (host: string) =>
  new InvalidSetting({
    problem:
      `--host ${host}: other computers could reach the Dashboard; set ${tokenName} to 32 characters or more ` +
      "(`openssl rand -hex 32` makes them), or listen on 127.0.0.1"
  })

export const dashboard = Command.make(
  "dashboard",
  { port, host, readOnly, noPayloads, open, token, as },
  ({ as, host, noPayloads, open, port, readOnly, token: given }) =>
    Effect.gen(function* () {
      const token = yield* tokenOf(given)
      if (Option.isNone(token) && !isLoopback(host)) return yield* needsToken(host)
      const { serve } = yield* Effect.promise(() => import("./dashboardServer.js"))
      return yield* serve({
        host,
        port,
        open,
        dashboard: {
          readOnly,
          payloads: !noPayloads,
          token: Option.getOrUndefined(token),
          actor: Option.getOrUndefined(as),
          allowedHosts: [host]
        }
      })
    })
).pipe(
  Command.withDescription(
    "Serves a web page on the database that the environment names, until it is interrupted. Listens on loopback."
  )
)
