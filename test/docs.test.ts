/**
 * The ts examples of the README, the docs and the docstrings. `npm run typecheck` compiles what is found here.
 */
import { expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { examples } from "../scripts/extract-examples.js"

const root = fileURLToPath(new URL("..", import.meta.url))

const filesWith = (directory: string, text: string) =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|md)$/.test(name))
    .map((name) => `${directory}/${name}`)
    .filter((file) => readFileSync(join(root, file), "utf8").includes(text))

it("examples of the README, the docs and the docstrings are type-checked", () => {
  const fence = "```ts\n"
  const found = examples()
  expect([...new Set(found.map(({ file }) => file))].toSorted()).toEqual(
    ["README.md", ...filesWith("docs", fence), ...filesWith("src", fence)].toSorted()
  )
  expect(found.find(({ file }) => file === "src/testing/index.ts")?.code).toMatch(
    /^import \{ Effect, Layer \} from "effect"\n/
  )
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  expect(scripts["typecheck"]).toContain("scripts/extract-examples.ts")
  expect(readFileSync(join(root, "tsconfig.json"), "utf8")).toContain('"build/examples"')
})
