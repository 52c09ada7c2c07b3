/**
 * Runs `sealant-db` in a child process, or in this process with a captured console.
 */
import { NodeContext } from "@effect/platform-node"
import { ConfigProvider, type Console, Effect, Layer } from "effect"
import NativeDatabase from "libsql"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { ControlPlane, Database, KeyRing } from "@sealant/db"
import { run } from "../../src/cli/program.js"
import { temporaryDirectory } from "../support/directories.js"
import { programAt } from "../support/programs.js"

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export type Environment = Readonly<Record<string, string>>

export const program = programAt(new URL("../../src/cli/main.ts", import.meta.url))

/** The program as a child process with only these variables. `meet` receives the started process. */
export const runProcess = (
  args: ReadonlyArray<string>,
  environment: Environment,
  meet: (child: ChildProcess) => void = () => undefined
): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const { PATH = "" } = process.env
    const child = spawn(process.execPath, [program, ...args], { env: { PATH, ...environment } })
    meet(child)
    const outcome = { stdout: "", stderr: "" }
    child.stdout.setEncoding("utf8").on("data", (text) => (outcome.stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text) => (outcome.stderr += text))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, ...outcome }))
  })

/** Runs statements with another tool, as an operator does, and closes the file. */
export const tamper = (path: string, ...statements: ReadonlyArray<string>): void => {
  const database = new NativeDatabase(path)
  for (const statement of statements) database.exec(statement)
  database.close()
}

/** A migrated database in a file, and the environment that names it. */
export const migratedFile = Effect.gen(function* () {
  const filePath = join(yield* temporaryDirectory, "control-plane.sqlite")
  const environment = { DATABASE_FILE_PATH: filePath }
  yield* runHere(["migrate"], environment)
  return { environment, filePath }
})

/** Makes rows in a file with the services of a control plane. */
export const inControlPlane = <A, E>(
  rows: Effect.Effect<A, E, ControlPlane.Services | Database.Services>,
  filePath: string
) =>
  Effect.provide(
    rows,
    ControlPlane.layer.pipe(Layer.provideMerge(Layer.merge(Database.layer({ filePath }), KeyRing.layer([]))))
  )

/** The program in this process. */
export const runHere = (
  args: ReadonlyArray<string>,
  environment: Environment = {},
  variables: ReadonlyArray<string> = Object.keys(environment)
) =>
  Effect.gen(function* () {
    const console = yield* Effect.console
    const outcome = { stdout: "", stderr: "" }
    const keep = (stream: "stdout" | "stderr") => (text: unknown) =>
      Effect.sync(() => void (outcome[stream] += `${String(text)}\n`))
    const recorder: Console.Console = { ...console, log: keep("stdout"), error: keep("stderr") }
    const code = yield* run(["node", "sealant-db", ...args], variables).pipe(
      Effect.withConsole(recorder),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))),
      Effect.provide(NodeContext.layer)
    )
    return { code, ...outcome }
  })
