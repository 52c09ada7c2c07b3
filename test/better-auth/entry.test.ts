/**
 * `better-auth` is an optional peer dependency: only its own entry point imports it.
 */
import { describe, expect, it } from "@effect/vitest"
import { build } from "esbuild"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import packageJson from "../../package.json" with { type: "json" }

const root = fileURLToPath(new URL("../..", import.meta.url))

const entries = Object.values(packageJson.exports).flatMap((entry) =>
  typeof entry === "string" ? [] : [entry.types.replace(/^\.\/dist\//, "").replace(/\.d\.ts$/, ".ts")]
)

/** The names of the packages that the modules of an entry import, directly or through other modules. */
const packagesOf = async (entry: string) => {
  const { metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    metafile: true,
    write: false
  })
  return Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.flatMap(({ external, path }) => (external === true ? [path] : []))
  )
}

describe("entry points", () => {
  it("load without better-auth, except the adapter", async () => {
    expect(entries).toContain("src/index.ts")
    for (const entry of entries) {
      const packages = await packagesOf(entry)
      expect(packages, entry).toContain("effect")
      const asked = packages.filter((name) => name.startsWith("better-auth"))
      expect([entry, asked.length > 0]).toEqual([entry, entry === "src/better-auth/index.ts"])
    }
  })

  it("are what the package exports", () => {
    const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    expect(exports["./better-auth"]).toEqual({
      types: "./dist/src/better-auth/index.d.ts",
      default: "./dist/src/better-auth/index.js"
    })
  })
})
