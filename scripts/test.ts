/**
 * The last part of `npm test`: checks the types beside the tests, because the compiler uses only one core. Arguments are
 * those of vitest. A type error ends the tests.
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

const types = start("npm", ["run", "--silent", "typecheck"])
const tests = start("vitest", ["run", ...process.argv.slice(2)])

const typesCode = await types.exitCode
if (typesCode !== 0) tests.stop()
const testsCode = await tests.exitCode
process.exitCode = typesCode === 0 ? testsCode : typesCode
