/**
 * `better-auth` is an optional peer dependency: only its own entry point imports it.
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

/** Loads entry points in a process without `better-auth`, and prints the name of each that was loaded. */
const load = (...entries: ReadonlyArray<string>) => {
  const script = entries.map((entry) => `await import("./src/${entry}"); console.log("${entry}")`).join("\n")
  return spawnSync(
    process.execPath,
    [
      "--import",
      "tsx",
      "--import",
      `data:text/javascript,${encodeURIComponent(withoutIt)}`,
      "--input-type=module",
      "-e",
      script
    ],
    { cwd: root, encoding: "utf8" }
  )
}

describe("entry points", () => {
  it("load without better-auth, except the adapter", () => {
    const { status, stderr, stdout } = load("index.ts", "payloads/index.ts", "testing/index.ts", "better-auth/index.ts")
    expect([status, stdout]).toEqual([1, "index.ts\npayloads/index.ts\ntesting/index.ts\n"])
    expect(stderr).toContain("asked for better-auth/adapters")
  })

  it("are what the package exports", () => {
    const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    expect(exports["./better-auth"]).toEqual({
      types: "./dist/src/better-auth/index.d.ts",
      default: "./dist/src/better-auth/index.js"
    })
  })
})
