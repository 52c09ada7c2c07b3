/**
 * The README's test command: checks the types beside all the rest, because the compiler uses only one core, and runs the tests
 * after the linters and the build. Arguments are those of vitest. The first failure ends the rest.
 */
import { spawn } from "node:child_process"

const start = (command: string, args: ReadonlyArray<string>) => {
  const child = spawn(command, args, { stdio: "inherit" })
  return {
    stop: () => child.kill("SIGINT"),
    exitCode: new Promise<number>((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code) => resolve(code ?? 1))
    })
  }
}

type Running = ReturnType<typeof start>

const types = start("npm", ["run", "--silent", "typecheck"])
let current: Running | undefined

/** Runs the commands in order until one fails, and returns its exit code. */
const inOrder = async (...commands: ReadonlyArray<readonly [command: string, args: ReadonlyArray<string>]>) => {
  for (const [command, args] of commands) {
    current = start(command, args)
    const code = await current.exitCode
    if (code !== 0) return code
  }
  return 0
}

const rest = inOrder(["npm", ["run", "lint"]], ["npm", ["run", "build"]], ["vitest", ["run", ...process.argv.slice(2)]])

const [typesCode, restCode] = await Promise.all([
  types.exitCode.then((code) => {
    if (code !== 0) current?.stop()
    return code
  }),
  rest.then((code) => {
    if (code !== 0) types.stop()
    return code
  })
])
process.exitCode = typesCode === 0 ? restCode : typesCode
