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
    for (const args of [["--help"], ["-h"], []]) {
      const help = yield* Effect.promise(() => runProcess(args, {}))
      expect(help).toMatchObject({ code: 0, stderr: "" })
      for (const command of ["migrate", "status", "doctor", "backup", "restore", "purge", "jobs", "stats"]) {
        expect(help.stdout).toContain(`\n  ${command} `)
      }
      expect(help.stdout).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage.")
      expect(help.stdout).not.toContain("\u001b")
    }
  })
)

it.live("shows the help of a command with its full name, in lines that fit the terminal", () =>
  Effect.gen(function* () {
    for (const args of [["jobs"], ["jobs", "--help"]]) {
      const { code, stdout } = yield* runHere(args)
      expect(code).toBe(0)
      expect(stdout).toContain("$ sealant-db jobs <command>")
      expect(stdout).toContain("\n  cancel [--reason text] [--json] <id>...\n      Cancels queued or running jobs.")
      expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([])
    }
    const { stdout } = yield* runHere(["jobs", "fail", "--help"])
    expect(stdout).toContain("$ sealant-db jobs fail [--message text] [--json] <id>...")
    expect((yield* runHere(["status", "--help"])).stdout.replaceAll("\n", " ")).toContain(
      "Exits with 0 when the database is current and with 1 when it is not"
    )
  })
)

it.live("shows the options of the lists of all owners", () =>
  Effect.gen(function* () {
    for (const [command, states] of [
      ["sandboxes", "queued | running | ready | stopping | stopped | failed | cancelled"],
      ["workflows", "active | completed | failed | cancelled"]
    ] as const) {
      const { code, stdout } = yield* runHere([command, "list", "--help"])
      expect(code).toBe(0)
      const lines = stdout.split("\n").map((line) => line.trim())
      expect(lines.join(" ")).toContain(`$ sealant-db ${command} list [--status`)
      expect(lines.filter((line) => /^(-|\(-)/.test(line))).toEqual([
        `--status ${states}`,
        "--owner text",
        "--archived",
        "--limit integer",
        "--cursor text",
        "--json"
      ])
      expect((yield* runHere([command, "show", "--help"])).stdout).toContain(
        `$ sealant-db ${command} show [--json] <id>`
      )
    }
  })
)

it.live("prints completions of all commands for a shell", () =>
  Effect.gen(function* () {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, stdout } = yield* runHere(["--completions", shell])
      expect([shell, code]).toEqual([shell, 0])
      for (const word of ["redrive", "overwrite", "import-legacy"]) expect(stdout).toContain(word)
    }
  })
)

it.live("exits with 2 and one line for an unknown command or option and a refused value, with the remedy", () =>
  Effect.gen(function* () {
    const calls: ReadonlyArray<readonly [ReadonlyArray<string>, string, string]> = [
      [
        ["frobnicate"],
        "unknown command 'frobnicate': must be one of migrate, status, doctor, backup, restore, import-legacy, purge, sandboxes, workflows, jobs, queue, deliveries, events, secrets, stats, dashboard",
        ""
      ],
      [["stauss"], "unknown command 'stauss': did you mean status?", ""],
      [["jobs", "lst"], "unknown command of jobs 'lst': did you mean list?", "jobs "],
      [["jobs", "list", "--statu", "failed"], "unknown option '--statu': did you mean --status?", "jobs list "],
      [["--frobnicate", "status"], "unknown option '--frobnicate'", ""],
      [["status", "--frobnicate"], "unknown option '--frobnicate'", "status "],
      [["migrate", "now"], "unknown argument 'now'", "migrate "],
      [["status", "--json=maybe"], "unknown argument 'maybe'", "status "],
      [
        ["jobs", "list", "--status", "bogus"],
        "--status must be one of queued, running, succeeded, failed, cancelled",
        "jobs list "
      ],
      [
        ["events", "list", "bogus", "sbx_1"],
        "<type> must be one of sandbox, attempt, job, workflow, execution, delivery, database",
        "events list "
      ],
      [["jobs", "list", "--limit", "0"], "--limit must be a whole number from 1 to 500", "jobs list "]
    ]
    for (const [args, problem, command] of calls) {
      expect(yield* runHere(args)).toEqual({
        code: 2,
        stdout: "",
        stderr: `sealant-db: ${problem} (see sealant-db ${command}--help)\n`
      })
    }
  })
)

it.live("prints the reason of a failure as JSON, too, for --json", () =>
  Effect.gen(function* () {
    const calls: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
      [["jobs", "list", "--json"], 1, "DatabaseConfigError"],
      [["jobs", "lst", "--json"], 2, "Usage"]
    ]
    for (const [args, code, tag] of calls) {
      const outcome = yield* runHere(args, { DATABASE_FILE_PATH: "missing.sqlite" })
      expect(outcome.code).toBe(code)
      const { error }: { readonly error: unknown } = JSON.parse(outcome.stdout)
      expect(error).toMatchObject({ tag })
      expect(outcome.stderr).toContain(String((error as { readonly message: string }).message))
    }
    // A command that has printed its result prints no second document.
    const status = yield* runHere(["status", "--json"], { DATABASE_FILE_PATH: "missing.sqlite" })
    expect(status.code).toBe(1)
    expect(JSON.parse(status.stdout)).toMatchObject({ current: false })
  })
)

it.live("warns about a variable that looks like a misspelled one", () =>
  Effect.gen(function* () {
    const variables = ["DATABASE_URI", "DATABASE_PATH", "DATABASE_FILE_PATH", "DATABASE_NAME", "PATH"]
    const { stderr } = yield* runHere(["status"], { DATABASE_FILE_PATH: "missing.sqlite" }, variables)
    expect(stderr.split("\n").slice(0, -2)).toEqual([
      "sealant-db: the variable DATABASE_URI is not read; did you mean DATABASE_URL?",
      "sealant-db: the variable DATABASE_PATH is not read; did you mean DATABASE_FILE_PATH?"
    ])
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
