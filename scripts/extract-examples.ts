/**
 * Writes the ts examples of the README, the docs and the docstrings to `build/examples`, where `npm run typecheck`
 * compiles them. Each file is named after the place of its example, such as `docs.events.md-33.ts`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const output = join(root, "build", "examples")

/** The code of an example, and its file and line. */
export interface Example {
  readonly file: string
  readonly line: number
  readonly code: string
}

// In a docstring, each line begins with an asterisk.
const fence = /^([ \t]*\*? ?)```ts\n([\s\S]*?)^\1```/gm

const examplesIn = (path: string): ReadonlyArray<Example> => {
  const text = readFileSync(path, "utf8")
  return Array.from(text.matchAll(fence), ({ 2: code = "", index }) => ({
    file: relative(root, path),
    line: text.slice(0, index).split("\n").length,
    code: code.replace(/^\s*\* ?/gm, "")
  }))
}

const filesIn = (directory: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|md)$/.test(name))
    .map((name) => join(root, directory, name))

/** All examples of the package. */
export const examples = (): ReadonlyArray<Example> =>
  [join(root, "README.md"), ...filesIn("docs"), ...filesIn("src")].flatMap(examplesIn)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output, { recursive: true })
  for (const { code, file, line } of examples())
    writeFileSync(join(output, `${file.replaceAll(/[/\\]/g, ".")}-${line}.ts`), code)
}
