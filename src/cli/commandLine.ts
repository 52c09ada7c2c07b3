/**
 * The command that a command line names, and suggestions for misspelled commands and options.
 */
import * as AutoCorrect from "@effect/cli/AutoCorrect"
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import type * as Usage from "@effect/cli/Usage"
import { HashMap, Option, Predicate } from "effect"

/** The command that the arguments name, as far as it is known. */
export interface Named {
  /** The names of the command: `["jobs", "list"]`. */
  readonly path: ReadonlyArray<string>
  /** The names of its subcommands; empty for a command without any. */
  readonly subcommands: ReadonlyArray<string>
  /** The argument in the place of a subcommand, unless it is the name of one. */
  readonly unknown: string | undefined
  /** Its options and arguments; empty for a command with subcommands. */
  readonly options: ReadonlyArray<NamedOption>
}

interface NamedOption {
  /** The name as the help shows it: `--status`, `<id>`. */
  readonly name: string
  /** The values that it accepts, as the help lists them: `queued | running`. */
  readonly values: string | undefined
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
  options: optionsIn(CommandDescriptor.getUsage(command)).filter(({ name }) => /^(--|<)/.test(name))
})

const optionsIn = (usage: Usage.Usage): ReadonlyArray<NamedOption> => {
  switch (usage._tag) {
    case "Named":
      return usage.names.map((name) => ({ name, values: Option.getOrUndefined(usage.acceptedValues) }))
    case "Optional":
    case "Repeated":
      return optionsIn(usage.usage)
    case "Alternation":
    case "Concat":
      return [...optionsIn(usage.left), ...optionsIn(usage.right)]
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

/**
 * Describes a problem that the parser found: names the option or argument of a refused value, and the option that is most
 * similar to an unknown one.
 */
export const parserProblem = (problem: string, { options }: Named): string => {
  const [, unknown] = /^Received unknown argument: '(.*)'$/.exec(problem) ?? []
  if (unknown !== undefined) return unknownArgument(unknown, options)
  const [, values] = /^Expected one of the following cases: (.*)$/.exec(problem) ?? []
  const refused = options.find((option) => option.values === values?.replaceAll(", ", " | "))
  return values === undefined || refused === undefined ? problem : `${refused.name} must be one of ${values}`
}

/** Describes an argument or an option that the command does not have. */
export const unknownArgument = (unknown: string, options: ReadonlyArray<NamedOption> = []): string => {
  if (!unknown.startsWith("-")) return `unknown argument '${unknown}'`
  const similar = similarTo(
    unknown,
    options.map(({ name }) => name)
  )
  return `unknown option '${unknown}'${similar === undefined ? "" : `: did you mean ${similar}?`}`
}

/**
 * Describes an input that a service refused by the options that contained it: `cursor: …` becomes `--cursor …`. The error is
 * recognized by its tag, because its class would load the schemas. Returns undefined for other errors.
 */
export const inputProblem = (error: unknown, { options }: Named): string | undefined => {
  if (!Predicate.isTagged(error, "InvalidInput") || !Predicate.hasProperty(error, "issues")) return undefined
  if (!Array.isArray(error.issues)) return undefined
  return error.issues
    .map((issue) => {
      const option = options.find(({ name }) => String(issue).startsWith(`${name.slice(2)}: `))
      return option === undefined ? String(issue) : String(issue).replace(/^.*?: /, `${option.name} `)
    })
    .join("; ")
}
