/**
 * The program `sealant-db`: its commands, exit codes and error output.
 *
 * Each command has its own file. It prints its result with `Console.log`, and fails with an error whose message is one
 * line.
 */
import { CliConfig, Command, HelpDoc, ValidationError } from "@effect/cli"
import { Cause, Console, Effect, Option, Predicate, Schema } from "effect"
import { createRequire } from "node:module"
import { backup } from "./backup.js"
import { deliveries } from "./deliveries.js"
import { doctor } from "./doctor.js"
import { importLegacy } from "./importLegacy.js"
import { jobs } from "./jobs.js"
import { migrate } from "./migrate.js"
import { printable } from "./output.js"
import { purge } from "./purge.js"
import { restore } from "./restore.js"
import { secrets } from "./secrets.js"
import { stats } from "./stats.js"
import { status } from "./status.js"

/** 0: done. 1: failed, with the reason in one line on stderr. 2: wrong usage. */
export type ExitCode = 0 | 1 | 2

const name = "sealant-db"

const root = Command.make(name).pipe(
  Command.withDescription(
    "Operates the database of the control plane. The database is the file that DATABASE_FILE_PATH names, or the libSQL " +
      "server of DATABASE_URL and DATABASE_AUTH_TOKEN. Exit codes: 0 done, 1 failed, 2 wrong usage."
  ),
  Command.withSubcommands([
    migrate,
    status,
    doctor,
    backup,
    restore,
    importLegacy,
    purge,
    jobs,
    deliveries,
    secrets,
    stats
  ])
)

// The name of the package resolves from src and from dist.
const packageJson: unknown = createRequire(import.meta.url)("@sealant/db/package.json")
const { version } = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))(packageJson)

/** Runs the program with the arguments of a process, `[node, script, ...]`. Returns its exit code, and never fails. */
export const run = (argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const console = yield* Effect.console
    const inColour = process.stdout.isTTY === true && !process.env["NO_COLOR"]
    // The parser prints errors in several lines; `report` prints them in one. It prints help in colour even without a
    // terminal.
    const parserConsole: Console.Console = {
      ...console,
      error: () => Effect.void,
      log: (text) => console.log((inColour ? String(text) : withoutColour(String(text))).trimEnd())
    }
    const commands = Command.transformHandler(root, (handler) => Effect.withConsole(handler, console))
    yield* Effect.withConsole(Command.run(commands, { name, version })(argv), parserConsole)
    return 0 as const
  }).pipe(
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
    Effect.catchAllCause((cause) => report(cause, argv[2] ?? ""))
  )

const report = (cause: Cause.Cause<unknown>, firstArgument: string): Effect.Effect<ExitCode> => {
  if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (ValidationError.isValidationError(failure)) {
    // The parser mistakes an option before the command for a command.
    const problem = firstArgument.startsWith("-")
      ? `Received unknown argument: '${firstArgument}'`
      : HelpDoc.toAnsiText(failure.error)
    return Effect.as(Console.error(`${name}: ${oneLine(problem)} (see ${name} --help)`), 2)
  }
  const problem = failure === undefined ? `unexpected failure: ${messageOf(Cause.squash(cause))}` : messageOf(failure)
  return Effect.as(Console.error(`${name}: ${oneLine(problem)}`), 1)
}

const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== ""
    ? error.message
    : String(error)

// oxlint-disable-next-line no-control-regex -- the escape sequences of a terminal begin with a control character
const withoutColour = (text: string): string => text.replaceAll(/\u001b\[[\d;]*m/g, "")

const oneLine = (text: string): string => printable(withoutColour(text)).trim()
