import { describe, expect, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Example {
  /** Where it stands, as `file:line`. */
  readonly place: string
  readonly code: string
}

/** The fenced ts blocks of a text. In a docstring each line begins with an asterisk. */
const examplesOf = (file: string): ReadonlyArray<Example> => {
  const text = readFileSync(file, "utf8")
  return [...text.matchAll(/^([ \t]*\*? ?)```ts\n([\s\S]*?)^\1```/gm)].map((match) => ({
    place: `${relative(root, file)}:${text.slice(0, match.index).split("\n").length}`,
    code: (match[2] ?? "").split("\n").map((line) => line.replace(/^\s*\* ?/, "")).join("\n")
  }))
}

const sources = (directory: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|md)$/.test(name))
    .map((name) => join(root, directory, name))

/** What the compiler says of the examples, under the settings of the project, as `place: message`. */
const problemsOf = (examples: ReadonlyArray<Example>): ReadonlyArray<string> => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  // Inside the project, so that imports resolve as they do in it.
  const directory = mkdtempSync(join(root, "node_modules", ".examples-"))
  try {
    const places = new Map(examples.map(({ code, place }, index) => {
      const file = join(directory, `example${index}.ts`)
      writeFileSync(file, code)
      return [file, place] as const
    }))
    const program = ts.createProgram([...places.keys()], { ...options, incremental: false, noEmit: true, noUnusedLocals: false })
    return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
      `${places.get(file?.fileName ?? "") ?? file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe("the examples in the README, the docs and the docstrings", () => {
  it("compile", () => {
    const examples = [join(root, "README.md"), ...sources("docs"), ...sources("src")].flatMap(examplesOf)
    expect(examples.filter(({ place }) => place.startsWith("README.md")).length).toBeGreaterThanOrEqual(2)
    expect(problemsOf(examples)).toEqual([])
  }, 120_000)

  it("are found wrong when they are", () => {
    expect(problemsOf([{ place: "here:1", code: `import { Database } from "@sealant/db"\nDatabase.nothing` }])).toEqual([
      expect.stringMatching(/^here:1: Property 'nothing' does not exist/)
    ])
  }, 120_000)
})
