/**
 * Every type that a public declaration names is exported by an entry of the package.
 */
import { expect, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import packageJson from "../package.json" with { type: "json" }
import { unexportedNames } from "../scripts/api/names.js"

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

it("the public declarations name exported types only", () => {
  expect(entries.length).toBeGreaterThan(10)
  expect(unexportedNames({ root: `${folder}src`, entries, compilerOptions })).toEqual([])
}, 120_000)

it("types that no entry exports are reported, also those of inferred types and unexported helpers", () => {
  const root = `${folder}test/fixtures/names`
  expect(unexportedNames({ root, entries: [`${root}/index.ts`], compilerOptions })).toEqual([
    "Hidden (Options)",
    "Machine (transitions)"
  ])
})
