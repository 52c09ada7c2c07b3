/**
 * The command that a command line names, and suggestions for misspelled commands and options.
 */
import * as AutoCorrect from "@effect/cli/AutoCorrect"
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as Usage from "@effect/cli/Usage"
import { HashMap, Option } from "effect"

/** The command that the arguments name, as far as it is known. */
export interface Named {
  /** The names of the command: `["jobs", "list"]`. */
  readonly path: ReadonlyArray<string>
  /** The names of its subcommands; empty for a command without any. */
  readonly subcommands: ReadonlyArray<string>
  /** The argument in the place of a subcommand, unless it is the name of one. */
  readonly unknown: string | undefined
  /** The names of its options; empty for a command with subcommands. */
  readonly options: ReadonlyArray<string>
}

type Descriptor = CommandDescriptor.Command<unknown>

/** Finds the command of the arguments. `loaded` is the definition of the top-level command that they name. */
export const namedIn = (
  args: ReadonlyArray<string>,
  commands: ReadonlyArray<string>,
  loaded: Descriptor | undefined
): Named => {
  const start = args.findIndex((argument) => !argument.startsWith("-"))
  const [first, second] = args.slice(start)
  if (start < 0 || first === undefined) return { path: [], subcommands: commands, unknown: undefined, options: [] }
  if (loaded === undefined || !commands.includes(first))
    return { path: [], subcommands: commands, unknown: first, options: [] }
  const children = CommandDescriptor.getSubcommands(loaded)
  // A command without subcommands is listed as its own.
  if (HashMap.has(children, first)) return leaf([first], loaded)
  const subcommands = [...HashMap.keys(children)].toSorted()
  const unknown = second?.startsWith("-") === true ? undefined : second
  return Option.match(HashMap.get(children, second ?? ""), {
    onNone: () => ({ path: [first], subcommands, unknown, options: [] }),
    onSome: (child) => leaf([first, second ?? ""], child)
  })
}

const leaf = (path: ReadonlyArray<string>, command: Descriptor): Named => ({
  path,
  subcommands: [],
  unknown: undefined,
  options: namesIn(CommandDescriptor.getUsage(command)).filter((name) => name.startsWith("--"))
})

const namesIn = (usage: Usage.Usage): ReadonlyArray<string> => {
  switch (usage._tag) {
    case "Named":
      return usage.names
    case "Optional":
    case "Repeated":
      return namesIn(usage.usage)
    case "Alternation":
    case "Concat":
      return [...namesIn(usage.left), ...namesIn(usage.right)]
    default:
      return []
  }
}

/** The name that is most similar to `text`, if it differs in at most two characters. */
export const similarTo = (text: string, names: ReadonlyArray<string>): string | undefined => {
  const ranked = names
    .map((name) => ({ name, distance: AutoCorrect.levensteinDistance(text, name, CliConfig.defaultConfig) }))
    .filter(({ distance, name }) => distance <= 2 && distance < name.length / 2)
    .toSorted((a, b) => a.distance - b.distance)
  return ranked[0]?.name
}

/** Describes an argument that is no subcommand of the command. */
export const unknownCommand = ({ path, subcommands }: Named, unknown: string): string => {
  const of = path.length === 0 ? "" : ` of ${path.join(" ")}`
  const similar = similarTo(unknown, subcommands)
  const remedy = similar === undefined ? `must be one of ${subcommands.join(", ")}` : `did you mean ${similar}?`
  return `unknown command${of} '${unknown}': ${remedy}`
}

/** Adds the most similar option to the problem of an unknown one. */
export const withSuggestedOption = (problem: string, { options }: Named): string => {
  const [, unknown = ""] = /^Received unknown argument: '(--[^']*)'$/.exec(problem) ?? []
  const similar = similarTo(unknown, options)
  return similar === undefined ? problem : `${problem}; did you mean ${similar}?`
}
