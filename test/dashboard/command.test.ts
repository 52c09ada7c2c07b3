/**
 * `sealant-db dashboard` as a process: the address that it prints, its refusals, and its end.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ChildProcess } from "node:child_process"
import { createServer } from "node:http"
import { join } from "node:path"
import { runHere, runProcess } from "../cli/support.js"
import { temporaryDirectory } from "../support/directories.js"
import { close, listen, urlOf } from "../support/loopback.js"
import { requestTo } from "./support.js"

const migrated = Effect.gen(function* () {
  const environment = { DATABASE_FILE_PATH: join(yield* temporaryDirectory, "control-plane.sqlite") }
  expect((yield* runHere(["migrate"], environment)).code).toBe(0)
  return environment
})

/** Starts the command, passes its port to `use` when it has printed its address, and ends it. */
const whileServing = async (
  environment: Readonly<Record<string, string>>,
  args: ReadonlyArray<string>,
  use: (port: number, child: ChildProcess) => Promise<void>
) => {
  let used: Promise<void> | undefined
  const outcome = await runProcess(["dashboard", "--port", "0", ...args], environment, (child) => {
    child.stdout?.on("data", (text) => {
      const port = /http:\/\/[^:]+:(\d+)\//.exec(String(text))?.[1]
      if (port === undefined || used !== undefined) return
      used = use(Number(port), child).finally(() => child.kill("SIGTERM"))
    })
  })
  await used
  return outcome
}

describe("sealant-db dashboard", () => {
  it.scoped("prints its address in one line, serves, and ends at SIGTERM also while a page is open", () =>
    Effect.gen(function* () {
      const environment = yield* migrated
      const outcome = yield* Effect.promise(() =>
        whileServing(environment, ["--as", "alice"], async (port) => {
          expect((await requestTo(port, "/api/config")).json).toMatchObject({
            mode: "read-write",
            actor: "operator:alice",
            database: { kind: "file", name: "control-plane.sqlite" }
          })
          // Never ends by itself.
          const page = requestTo(port, "/api/live").catch(() => undefined)
          expect((await requestTo(port, "/api/overview")).status).toBe(200)
          void page
        })
      )
      expect(outcome.stdout).toMatch(/^Sealant Dashboard: http:\/\/127\.0\.0\.1:\d+\/\n$/)
      expect(outcome.stderr).toBe("")
    })
  )

  it.scoped("applies --read-only and the token of the environment", () =>
    Effect.gen(function* () {
      const environment = { ...(yield* migrated), SEALANT_DASHBOARD_TOKEN: "0123456789abcdef0123456789abcdef" }
      const outcome = yield* Effect.promise(() =>
        whileServing(environment, ["--read-only", "--host", "0.0.0.0"], async (port) => {
          expect((await requestTo(port, "/api/config")).json).toMatchObject({
            mode: "read-only",
            loginRequired: true,
            authenticated: false
          })
          expect((await requestTo(port, "/api/jobs")).status).toBe(401)
        })
      )
      expect(outcome.stdout).not.toContain("0123456789abcdef")
    })
  )

  it.scoped("refuses to start with one line that contains the remedy", () =>
    Effect.gen(function* () {
      const environment = yield* migrated
      const other = createServer()
      yield* Effect.acquireRelease(
        Effect.promise(() => listen(other)),
        () => Effect.promise(() => close(other))
      )
      const used = new URL(urlOf(other)).port
      const short = { ...environment, SEALANT_DASHBOARD_TOKEN: "short" }
      const none = { DATABASE_FILE_PATH: join(yield* temporaryDirectory, "none.sqlite") }
      const cases = [
        [["--port", used], environment, /port \d+ of 127\.0\.0\.1 is in use; pass another one with --port/],
        [["--host", "0.0.0.0"], environment, /--host 0\.0\.0\.0: .*SEALANT_DASHBOARD_TOKEN/],
        [["--token", "short"], environment, /--token: must have 32 characters/],
        [["--port", "0"], short, /SEALANT_DASHBOARD_TOKEN: must have 32 characters/],
        [["--port", "0"], none, /there is no database at .*sealant-db migrate/]
      ] as const
      for (const [args, variables, message] of cases) {
        const { code, stderr, stdout } = yield* runHere(["dashboard", ...args], variables)
        expect([code, stdout], args.join(" ")).toEqual([1, ""])
        expect(stderr).toMatch(/^sealant-db: [^\n]*\n$/)
        expect(stderr).toMatch(message)
      }
    })
  )
})
