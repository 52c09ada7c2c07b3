import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Example {
  /** As `file:line`. */
  readonly place: string
  readonly code: string
}

/** The fenced ts blocks of a text. In a docstring each line begins with an asterisk. */
const examplesOf = (file: string): ReadonlyArray<Example> => {
  const text = readFileSync(file, "utf8")
  return [...text.matchAll(/^([ \t]*\*? ?)```ts\n([\s\S]*?)^\1```/gm)].map((match) => ({
    place: `${relative(root, file)}:${text.slice(0, match.index).split("\n").length}`,
    code: (match[2] ?? "")
      .split("\n")
      .map((line) => line.replace(/^\s*\* ?/, ""))
      .join("\n")
  }))
}

const sources = (directory: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|md)$/.test(name))
    .map((name) => join(root, directory, name))

const compiler = join(root, "node_modules", "typescript", "bin", "tsc")

/** The errors of the compiler in a directory. It is a process of its own: a thread that compiles for a minute cannot answer the test runner. */
const compile = (directory: string) =>
  new Promise<string>((resolve) =>
    execFile(process.execPath, [compiler, "-p", directory, "--pretty", "false"], (_, stdout) => resolve(stdout))
  )

/** The errors in the examples under the settings of the project, as `place: message`. */
const problemsOf = async (examples: ReadonlyArray<Example>): Promise<ReadonlyArray<string>> => {
  // Inside the project, so that imports resolve as they do in it.
  const directory = mkdtempSync(join(root, "node_modules", ".examples-"))
  try {
    examples.forEach(({ code }, index) => writeFileSync(join(directory, `example${index}.ts`), code))
    const compilerOptions = { incremental: false, tsBuildInfoFile: null, noUnusedLocals: false }
    writeFileSync(
      join(directory, "tsconfig.json"),
      JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"], exclude: [] })
    )
    return (await compile(directory))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) =>
        line.replace(
          /^.*example(\d+)\.ts\(\d+,\d+\): error TS\d+: /,
          (_, index: string) => `${examples[Number(index)]?.place}: `
        )
      )
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe("the examples in the README, the docs and the docstrings", () => {
  it("compile, and an invalid example is reported", async () => {
    const examples = [join(root, "README.md"), ...sources("docs"), ...sources("src")].flatMap(examplesOf)
    expect(examples.filter(({ place }) => place.startsWith("README.md")).length).toBeGreaterThanOrEqual(2)
    const wrong = { place: "here:1", code: `import { Database } from "@sealant/db"\nDatabase.nothing` }
    expect(await problemsOf([...examples, wrong])).toEqual([
      expect.stringMatching(/^here:1: Property 'nothing' does not exist/)
    ])
  }, 600_000)
})
