/**
 * The ts examples of the README, the docs and the docstrings. `npm run typecheck` compiles what is found here. The links of
 * the docs, and the program of Getting started.
 */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { PersistenceErrorReason } from "../src/Errors.js"
import { examples } from "../scripts/extract-examples.js"
import { temporaryDirectory } from "./support/directories.js"

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

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

const withoutCode = (text: string) => text.replaceAll(/^```[\s\S]*?^```/gm, "")

/** The anchors of the headings, as GitHub and VitePress make them. A repeated heading has a number. */
const anchorsOf = (text: string) => {
  const counts = new Map<string, number>()
  return Array.from(withoutCode(text).matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/\]\(.*?\)|[`*[\]]/g, "")
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

it("links of the README and the docs lead to files and headings that exist", () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(root, page), "utf8")
    return Array.from(withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link = ""]) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path = "", anchor] = link.split("#")
        const target = path === "" ? page : join(dirname(page), path)
        if (!existsSync(join(root, target))) return true
        return anchor !== undefined && !anchorsOf(readFileSync(join(root, target), "utf8")).includes(anchor)
      })
      .map((link) => `${page}: ${link}`)
  })
  expect(broken).toEqual([])
})

it("the sidebar of the site lists every page of the docs", () => {
  const config = readFileSync(join(root, "docs/.vitepress/config.ts"), "utf8")
  const listed = Array.from(config.matchAll(/\["[^"]+", "([a-z-]+)"\]/g), ([, page = ""]) => `docs/${page}.md`)
  expect(listed.toSorted()).toEqual(
    pages.filter((page) => page.startsWith("docs/") && page !== "docs/index.md").toSorted()
  )
})

it("every page of the docs has at most 150 lines, except generated ones and the benchmarks", () => {
  const long = ["api", "benchmarks", "schema", "sql", "states"].map((name) => `docs/${name}.md`)
  const linesOf = (page: string) => readFileSync(join(root, page), "utf8").split("\n").length - 1
  expect(
    pages.filter((page) => page.startsWith("docs/") && !long.includes(page)).filter((page) => linesOf(page) > 150)
  ).toEqual([])
})

it("Troubleshooting lists every error of the package, and every reason of PersistenceError", () => {
  const tags = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) =>
      Array.from(
        readFileSync(join(root, "src", name), "utf8").matchAll(/^export class (\w+) extends Schema\.TaggedError/gm),
        ([, tag = ""]) => tag
      )
    )
  expect(tags.length).toBeGreaterThan(25)
  const text = readFileSync(join(root, "docs/troubleshooting.md"), "utf8")
  const causes = PersistenceErrorReason.literals.map((reason) => `| \`PersistenceError\` (\`${reason}\`) |`)
  expect(tags.filter((tag) => !text.includes(`\`${tag}\``))).toEqual([])
  expect(causes.filter((cause) => !text.includes(cause))).toEqual([])
})

const programOf = (page: string) => examples().find(({ file }) => file === page)?.code ?? ""

it.scopedLive("the program of the README and of Getting started prints that the sandbox is ready", () =>
  Effect.gen(function* () {
    expect(programOf("README.md")).toBe(programOf("docs/getting-started.md"))
    const directory = yield* temporaryDirectory
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
    const outfile = join(directory, "main.mjs")
    yield* Effect.promise(() =>
      build({
        stdin: { contents: programOf("docs/getting-started.md"), resolveDir: root, loader: "ts" },
        alias: { "@sealant/db": `./${relative(process.cwd(), join(root, "src/index.ts"))}` },
        bundle: true,
        packages: "bundle",
        external: ["libsql", "@libsql/*"],
        banner: {
          js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);'
        },
        platform: "node",
        format: "esm",
        outfile,
        logLevel: "error"
      })
    )
    const printed = execFileSync(process.execPath, [outfile], { cwd: directory, encoding: "utf8", timeout: 60_000 })
    expect(printed).toContain("storefront is ready")
  })
)
