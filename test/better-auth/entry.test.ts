/**
 * `better-auth` is an optional peer: only its own entry point asks for it.
 */
import { describe, expect, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const hook = `export const resolve = (name, context, next) => {
  if (/better-auth/.test(name) && !name.endsWith("src/better-auth/index.ts")) throw new Error("asked for " + name)
  return next(name, context)
}`
const withoutIt = `import { register } from "node:module"; register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hook)}))`

/** Loads an entry point in a process where there is no `better-auth`. */
const load = (entry: string) =>
  spawnSync(
    process.execPath,
    ["--import", "tsx", "--import", `data:text/javascript,${encodeURIComponent(withoutIt)}`, "--input-type=module", "-e", `await import("./src/${entry}"); console.log("loaded")`],
    { cwd: root, encoding: "utf8" }
  )

describe("entry points", () => {
  for (const entry of ["index.ts", "payloads/index.ts", "testing/index.ts"]) {
    it(`${entry} loads without better-auth`, () => {
      expect(load(entry)).toMatchObject({ status: 0, stdout: "loaded\n", stderr: "" })
    })
  }

  it("that of the adapter does not", () => {
    const { status, stderr } = load("better-auth/index.ts")
    expect([status, stderr]).toEqual([1, expect.stringContaining("asked for better-auth/adapters")])
  })

  it("are what the package exports", () => {
    const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    expect(exports["./better-auth"]).toEqual({ types: "./dist/src/better-auth/index.d.ts", default: "./dist/src/better-auth/index.js" })
  })
})
