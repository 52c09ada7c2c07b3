import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { runHere, runProcess } from "./support.js"

const packageJson: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

it.live("prints its version and its commands in plain lines without a terminal", () =>
  Effect.gen(function* () {
    const version = yield* Effect.promise(() => runProcess(["--version"], {}))
    expect(version).toMatchObject({ code: 0, stderr: "" })
    expect(packageJson).toMatchObject({ version: version.stdout.trim() })
    for (const args of [["--help"], []]) {
      const help = yield* runHere(args)
      expect(help).toMatchObject({ code: 0, stderr: "" })
      for (const command of ["migrate", "status", "doctor", "backup", "restore", "purge", "jobs", "stats"]) {
        expect(help.stdout).toContain(`- ${command} `)
      }
      expect(help.stdout).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage.")
      expect(help.stdout).not.toContain("\u001b")
    }
    const help = yield* runHere(["status", "--help"])
    expect(help.stdout).toContain("Exits with 0 when the database is current and with 1 when it is not")
  })
)

it.live("exits with 2 and one line for an unknown command or option", () =>
  Effect.gen(function* () {
    const calls: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [
        ["frobnicate"],
        "Invalid subcommand for sealant-db - use one of 'migrate', 'status', 'doctor', 'backup', 'restore', 'import-legacy', 'purge', 'jobs', 'deliveries', 'secrets', 'stats'"
      ],
      [["--frobnicate", "status"], "Received unknown argument: '--frobnicate'"],
      [["status", "--frobnicate"], "Received unknown argument: '--frobnicate'"],
      [["migrate", "now"], "Received unknown argument: 'now'"],
      [["status", "--json=maybe"], "Received unknown argument: 'maybe'"]
    ]
    for (const [args, problem] of calls) {
      expect(yield* runHere(args)).toEqual({
        code: 2,
        stdout: "",
        stderr: `sealant-db: ${problem} (see sealant-db --help)\n`
      })
    }
  })
)

/** A server that never answers, and reports each request. */
const silentServer = (hear: () => void) =>
  Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const server = createServer(hear)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

it.scopedLive("exits with 130 when it is interrupted", () =>
  Effect.gen(function* () {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      let interrupt = (): void => undefined
      const server = yield* silentServer(() => interrupt())
      const address = server.address()
      const DATABASE_URL = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
      const outcome = yield* Effect.promise(() =>
        runProcess(["status"], { DATABASE_URL }, (child) => (interrupt = () => void child.kill(name)))
      )
      expect([name, outcome]).toEqual([name, { code: 130, stdout: "", stderr: "" }])
    }
  })
)

it.live("names the invalid variable", () =>
  Effect.gen(function* () {
    const settings: ReadonlyArray<readonly [Readonly<Record<string, string>>, string]> = [
      [
        { DATABASE_FILE_PATH: "a", DATABASE_URL: "libsql://b" },
        "DATABASE_FILE_PATH and DATABASE_URL: are both set; unset one of them"
      ],
      [{ DATABASE_FILE_PATH: " " }, "DATABASE_FILE_PATH: begins or ends with white space; remove it"],
      [{ DATABASE_URL: "file:x" }, "DATABASE_URL: must be a libsql: or http(s): URL of a libSQL server"]
    ]
    for (const [environment, problem] of settings) {
      for (const command of ["migrate", "status"]) {
        expect(yield* runHere([command], environment)).toEqual({
          code: 1,
          stdout: "",
          stderr: `sealant-db: ${problem}\n`
        })
      }
    }
  })
)
