import { expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { programAt } from "../support/programs.js"

const program = programAt(new URL("../../examples/better-auth/main.ts", import.meta.url))

const runExample = () =>
  new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [program], (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
  })

it("the example runs to completion and prints no secret", async () => {
  const { code, stderr, stdout } = await runExample()
  const lines = stdout.trim().split("\n")
  expect([code, stderr]).toEqual([0, ""])
  expect(lines).toHaveLength(9)
  expect(lines).toContain("signed out: 200; Ada signs in by credential (password <redacted>); sessions: 2")
  expect(lines.at(-1)).toBe("left: 200; no user")
  expect(stdout).not.toMatch(/passphrase|[\w-]{24,}/)
})
