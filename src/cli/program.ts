/**
 * The program `sealant-db`: its commands, exit codes and error output.
 *
 * Each command has its own file. It prints its result with `Console.log`, and fails with an error whose message is one
 * line.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import { Cause, Console, Effect, Option, Predicate } from "effect"
import { inputProblem, namedIn, type Named, parserProblem, unknownArgument, unknownCommand } from "./commandLine.js"
import { urlName, variable } from "../libsql/settings.js"
import { formHelp, widthOf, withoutColour } from "./help.js"
import { commandNames, type CommandName, description, isCommandName, name, summaries, version } from "./overview.js"
import { printable, printJson } from "./output.js"
import { misspelledVariables } from "./variables.js"

/** 0: done. 1: failed, with the reason in one line on stderr. 2: wrong usage. */
export type ExitCode = 0 | 1 | 2

/**
 * The definitions of the commands. Only the one that the command line names is loaded: loading all of them takes half a
 * second of CPU.
 */
const definitions = {
  migrate: () => import("./migrate.js").then(({ migrate }) => migrate),
  status: () => import("./status.js").then(({ status }) => status),
  doctor: () => import("./doctor.js").then(({ doctor }) => doctor),
  backup: () => import("./backup.js").then(({ backup }) => backup),
  restore: () => import("./restore.js").then(({ restore }) => restore),
  "import-legacy": () => import("./importLegacy.js").then(({ importLegacy }) => importLegacy),
  purge: () => import("./purge.js").then(({ purge }) => purge),
  sandboxes: () => import("./sandboxes.js").then(({ sandboxes }) => sandboxes),
  workflows: () => import("./workflows.js").then(({ workflows }) => workflows),
  jobs: () => import("./jobs.js").then(({ jobs }) => jobs),
  queue: () => import("./queue.js").then(({ queue }) => queue),
  deliveries: () => import("./deliveries.js").then(({ deliveries }) => deliveries),
  events: () => import("./events.js").then(({ events }) => events),
  secrets: () => import("./secrets.js").then(({ secrets }) => secrets),
  stats: () => import("./stats.js").then(({ stats }) => stats),
  dashboard: () => import("./dashboard.js").then(({ dashboard }) => dashboard)
}

/** The definition of a command, or only its summary. */
const definition = async (command: CommandName, isWanted: boolean) =>
  isWanted ? await definitions[command]() : Command.make(command).pipe(Command.withDescription(summaries[command]))

// Completions are made from the definitions of all commands.
const needsAll = (args: ReadonlyArray<string>) =>
  args.some((argument) => argument === "--wizard" || argument.startsWith("--completions"))

/** Builds the root command with the definitions that the arguments need, and finds the command that they name. */
const commandsFor = async (args: ReadonlyArray<string>) => {
  const wanted = args.find(isCommandName)
  const all = needsAll(args)
  const found = await Promise.all(commandNames.map((command) => definition(command, all || command === wanted)))
  const [first, ...others] = found
  if (first === undefined) throw new Error("there are no commands")
  const loaded = found[commandNames.findIndex((command) => command === wanted)]
  return {
    named: namedIn(args, commandNames, loaded?.descriptor),
    root: Command.make(name).pipe(Command.withDescription(description), Command.withSubcommands([first, ...others]))
  }
}

/**
 * Runs the program with the arguments of a process, `[node, script, ...]`. Returns its exit code, and never fails.
 * `variables` are the names of the environment variables.
 */
export const run = (argv: ReadonlyArray<string>, variables: ReadonlyArray<string> = Object.keys(process.env)) =>
  Effect.gen(function* () {
    const args = argv.slice(2)
    const console = yield* Effect.console
    const { named, root } = yield* Effect.promise(() => commandsFor(args))
    let hasPrinted = false
    const print = (text: unknown) => {
      hasPrinted = true
      return console.log(text)
    }
    const handlerConsole: Console.Console = { ...console, log: print }
    // The parser prints errors in several lines; `report` prints them in one. It prints help in colour even without a
    // terminal.
    const inColour = process.stdout.isTTY === true && !process.env["NO_COLOR"]
    const form = (text: string) =>
      isHelp(text) ? formHelp(text, [name, ...named.path].join(" "), widthOf(process.stdout.columns)) : text.trimEnd()
    const parserConsole: Console.Console = {
      ...console,
      error: () => Effect.void,
      log: (text) => console.log(form(inColour ? String(text) : withoutColour(String(text))))
    }
    const handled = Command.transformHandler(root, (handler) =>
      Effect.withConsole(Effect.zipRight(warnOfMisspelled(variables), handler), handlerConsole)
    )
    // A command with subcommands does nothing of its own.
    const shown = named.subcommands.length > 0 && named.unknown === undefined && !args.some(isOption) ? ["--help"] : []
    return yield* Effect.withConsole(Command.run(handled, { name, version })([...argv, ...shown]), parserConsole).pipe(
      Effect.as(0 as const),
      Effect.catchAllCause((cause) => report(cause, named, args[0] ?? "", args.includes("--json") && !hasPrinted))
    )
  }).pipe(Effect.provide(CliConfig.layer({ showBuiltIns: false })))

const isHelp = (text: string) => withoutColour(text).includes("\nUSAGE\n")

const isOption = (argument: string) => argument.startsWith("-")

const warnOfMisspelled = (variables: ReadonlyArray<string>) =>
  Effect.forEach(misspelledVariables(variables), (warning) => Console.error(`${name}: ${warning}`), { discard: true })

/** Prints the reason of a failure. With `asJson`, prints it on stdout, too, as a JSON document. */
const report = (cause: Cause.Cause<unknown>, named: Named, firstArgument: string, asJson: boolean) =>
  Effect.gen(function* () {
    if (Cause.isInterruptedOnly(cause)) return yield* Effect.interrupt
    const failure = Option.getOrUndefined(Cause.failureOption(cause))
    const isUsage = ValidationError.isValidationError(failure)
    const problem = isUsage
      ? usageProblem(failure, named, firstArgument)
      : failure === undefined
        ? `unexpected failure: ${messageOf(Cause.squash(cause))}`
        : (inputProblem(failure, named) ?? messageOf(failure))
    const message = oneLine(problem) + (yield* serverOf(failure))
    const path = isOption(firstArgument) ? [] : named.path
    const hint = isUsage ? ` (see ${[name, ...path, "--help"].join(" ")})` : ""
    yield* Console.error(`${name}: ${message}${hint}`)
    const tag = isUsage ? "Usage" : Predicate.hasProperty(failure, "_tag") ? String(failure._tag) : "Unexpected"
    if (asJson) yield* printJson({ error: { tag, message } })
    return (isUsage ? 2 : 1) satisfies ExitCode
  })

/** Names the server of the environment, if the database did not respond. A URL may contain a password, a host does not. */
const serverOf = (failure: unknown) =>
  Effect.map(Effect.option(variable(urlName)), (url) => {
    const isUnavailable =
      Predicate.isTagged(failure, "PersistenceError") &&
      Predicate.hasProperty(failure, "reason") &&
      failure.reason === "Unavailable"
    const host = Option.flatMap(Option.flatten(url), (text) => Option.liftThrowable(() => new URL(text).host)())
    return isUnavailable && Option.isSome(host) ? `; is the server at ${host.value} (${urlName}) running?` : ""
  })

const usageProblem = (error: ValidationError.ValidationError, named: Named, firstArgument: string): string => {
  // The parser mistakes an option before the command for a command.
  if (isOption(firstArgument)) return unknownArgument(firstArgument)
  if (named.unknown !== undefined) return unknownCommand(named, named.unknown)
  return parserProblem(oneLine(HelpDoc.toAnsiText(error.error)), named)
}

const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== ""
    ? error.message
    : String(error)

const oneLine = (text: string): string => printable(withoutColour(text)).trim()
