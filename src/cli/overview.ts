/**
 * The commands with their summaries, and the answers that need neither Effect nor the engine: `--version`, and the help of
 * the program.
 */
import { createRequire } from "node:module"
import { columnLines, widthOf, wrap } from "./help.js"

export const name = "sealant-db"

// The name of the package resolves from src and from dist.
export const { version }: { readonly version: string } = createRequire(import.meta.url)("@sealant/db/package.json")

/** The summary of each command. */
export const summaries = {
  migrate: "Applies the pending migrations.",
  status: "Lists the migrations of the database.",
  doctor: "Checks the database and prints a remedy for each problem.",
  backup: "Writes a verified copy of the database while programs use it.",
  restore: "Replaces the database with a backup.",
  "import-legacy": "Imports a database of the predecessor.",
  purge: "Removes ended rows that are older than their retention.",
  sandboxes: "Reads sandboxes with their attempts, errors and timeline: list, show.",
  workflows: "Reads issue workflows with their executions: list, show.",
  jobs: "Reads and changes the build queue: list, show, redrive, fail, cancel.",
  queue: "Reads the load of the build queue, and changes its limits and pauses: stats, limits, pause, resume, repair.",
  deliveries: "Reads the inbox of webhook deliveries: list, show, stats, redeliver.",
  events: "Reads the journal of state changes: list, tail.",
  secrets: "Shows and rotates the keys that encrypt secrets: status, rotate.",
  stats: "Prints the versions, sizes, queue depths and row counts.",
  dashboard: "Serves a web page that shows and operates the database."
}

export type CommandName = keyof typeof summaries

export const isCommandName = (argument: string): argument is CommandName => Object.hasOwn(summaries, argument)

export const commandNames: ReadonlyArray<CommandName> = Object.keys(summaries).filter(isCommandName)

export const description =
  "Operates the database of the control plane: the file that DATABASE_FILE_PATH names, or the libSQL server of DATABASE_URL " +
  "and DATABASE_AUTH_TOKEN. Exit codes: 0 done, 1 failed, 2 wrong usage."

const options = [
  ["--help", "Describes the program, or the command before it."],
  ["--version", "Prints the version."],
  ["--completions bash|zsh|fish", "Prints the completions for a shell: source <(sealant-db --completions bash)"]
] as const

/** Formats the help of the program. */
const help = (width: number): string =>
  [
    `${name} ${version}`,
    "",
    ...wrap(description, width, 0),
    "",
    "USAGE",
    "",
    `$ ${name} <command> [options]`,
    "",
    "COMMANDS",
    "",
    ...columnLines(Object.entries(summaries), width),
    "",
    "OPTIONS",
    "",
    ...columnLines(options, width)
  ].join("\n")

/** Answers the arguments if they are only `--version` or `--help`, or if there are none. */
export const answerOf = (args: ReadonlyArray<string>): string | undefined => {
  const [first = "--help", ...others] = args
  if (others.length > 0) return undefined
  if (first === "--version") return version
  return first === "--help" || first === "-h" ? help(widthOf(process.stdout.columns)) : undefined
}
