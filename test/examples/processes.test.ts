/**
 * The example and the demo as child processes.
 */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { temporaryDirectory } from "../support/directories.js"
import { programAt } from "../support/programs.js"

/** A script of the example, and what it prints. */
const start = (script: string, environment: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const program = programAt(new URL(`../../examples/control-plane/${script}`, import.meta.url))
      const child = spawn(process.execPath, [program], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const printed: Array<string> = []
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => printed.push(text))
      return { child, text: () => printed.join("") }
    }),
    ({ child }) => Effect.sync(() => child.exitCode === null && child.kill("SIGKILL"))
  )

const exited = (child: ChildProcess) =>
  Effect.async<number | null>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
    else child.once("close", (code) => resume(Effect.succeed(code)))
  })

/** What it printed, once that matches. */
const printed = ({ child, text }: Effect.Effect.Success<ReturnType<typeof start>>, pattern: RegExp) =>
  Effect.async<RegExpExecArray>((resume) => {
    const look = () => {
      const found = pattern.exec(text())
      if (found !== null) resume(Effect.succeed(found))
    }
    child.stdout.on("data", look)
    look()
  })

it.scopedLive(
  "the example prints its address, answers, and exits with 0 on a signal",
  () =>
    Effect.gen(function* () {
      const running = yield* start("main.ts", {
        DATABASE_FILE_PATH: join(yield* temporaryDirectory, "example.sqlite"),
        PORT: "0"
      })
      const [, url = ""] = yield* printed(running, /listening on (http:\/\/127\.0\.0\.1:\d+)/)
      const answer = yield* Effect.promise(() => fetch(`${url}/sandboxes`))
      expect([answer.status, yield* Effect.promise(() => answer.json())]).toEqual([401, { _tag: "SignedOut" }])
      running.child.kill("SIGTERM")
      // 130: what NodeRuntime gives a program that was interrupted, and had time to finish.
      expect([0, 130]).toContain(yield* exited(running.child))
      expect(running.text()).not.toMatch(/error/i)
    }),
  600_000
)

it.scopedLive(
  "an invalid setting is reported in one line with an error exit code",
  () =>
    Effect.gen(function* () {
      const running = yield* start("main.ts", { DATABASE_FILE_PATH: "", DATABASE_URL: "ftp://nowhere" })
      expect(yield* exited(running.child)).toBe(1)
      expect(running.text()).toMatch(/DATABASE_FILE_PATH|DATABASE_URL/)
    }),
  600_000
)

it.scopedLive(
  "the demo runs to completion, and its invariants hold",
  () =>
    Effect.gen(function* () {
      const running = yield* start("demo.ts", {})
      const code = yield* exited(running.child)
      expect(running.text()).toContain("ok  25 sandboxes, 25 ready")
      expect(running.text()).not.toContain("NOT ")
      expect(code).toBe(0)
    }),
  600_000
)
