/**
 * Every type that a public declaration names is exported by an entry of the package, and every exported name has a
 * docstring.
 */
import { beforeEach, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import packageJson from "../package.json" with { type: "json" }
import { unexportedNames } from "../scripts/api/names.js"
import { undocumentedNames } from "../scripts/api/undocumented.js"
import { turns } from "./support/eventLoop.js"

const folder = fileURLToPath(new URL("..", import.meta.url))

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(`${folder}tsconfig.json`, ts.sys.readFile).config,
  ts.sys,
  folder
)
const compilerOptions = { ...options, incremental: false }

const entries = Object.values(packageJson.exports).flatMap((entry) =>
  typeof entry === "string" ? [] : [entry.types.replace(/^\.\/dist\//, folder).replace(/\.d\.ts$/, ".ts")]
)

const programOf = (files: ReadonlyArray<string>) => ts.createProgram([...files], compilerOptions)

/** The sources of the package, and their types once they are checked: both tests read the same ones. */
const program = programOf(entries)

// The compiler blocks the event loop for most of a minute on a loaded machine. Vitest waits a minute for an answer.
beforeEach(() => Effect.runPromise(turns(2)))

it("the public declarations name exported types only", () => {
  expect(entries.length).toBeGreaterThan(10)
  expect(unexportedNames({ root: `${folder}src`, entries, program })).toEqual([])
}, 120_000)

it("types that no entry exports are reported, also those of inferred types and unexported helpers", () => {
  const root = `${folder}test/fixtures/names`
  const fixture = [`${root}/index.ts`]
  expect(unexportedNames({ root, entries: fixture, program: programOf(fixture) })).toEqual([
    "Hidden (Options)",
    "Machine (transitions)"
  ])
})

it("every exported name has a docstring", () => {
  expect(undocumentedNames({ root: `${folder}src`, entries, program })).toEqual([])
}, 120_000)

it("exported names without a docstring are reported, also those in namespaces, and those that only have tags", () => {
  const root = `${folder}test/fixtures/docstrings`
  const fixture = [`${root}/index.ts`]
  expect(undocumentedNames({ root, entries: fixture, program: programOf(fixture) })).toEqual([
    "index.ts: bare",
    "inner.ts: hidden",
    "inner.ts: onlyTag"
  ])
})
