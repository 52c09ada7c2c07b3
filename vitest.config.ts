import { fileURLToPath } from "node:url"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"

const report = process.env["VITEST_REPORT"]

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const project = (test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  resolve: {
    alias: [
      { find: /^@sealant\/db$/, replacement: source("./src/index.ts") },
      { find: /^@sealant\/db\/([a-z-]+)$/, replacement: source("./src/$1/index.ts") }
    ]
  },
  // Timeouts bound hangs: no test fails because the machine is slow.
  test: { testTimeout: 180_000, hookTimeout: 180_000, ...test }
})

/**
 * Test files that run in their own process (forks). They need one, or are in a folder with a file that does:
 *
 * - they change the state of the process (environment variables, umask, timers, signals)
 * - they measure its memory, its file descriptors or its event loop
 * - they wait for the file-change notification of a write in another process
 *
 * All other files run in two threads and share the modules that a thread has loaded. They may start child processes.
 */
const inProcesses = [
  "*.test.ts",
  // These wait for the file-change notification of a write in another process.
  "build-job/wakeups.test.ts",
  "issue-workflow/executionTail.test.ts",
  ...["better-auth", "cli", "crash", "examples", "libsql", "operations", "testing"].map(
    (folder) => `${folder}/**/*.test.ts`
  )
].map((path) => `test/${path}`)

export default defineConfig({
  test: {
    globalSetup: "test/support/globalSetup.ts",
    ...(report === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: report } }),
    maxWorkers: 2,
    minWorkers: 1,
    poolOptions: { threads: { isolate: false } },
    projects: [
      project({
        name: "threads",
        include: ["test/*/**/*.test.ts"],
        exclude: inProcesses,
        pool: "threads",
        sequence: { groupOrder: 0 }
      }),
      project({ name: "forks", include: inProcesses, pool: "forks", sequence: { groupOrder: 1 } })
    ]
  }
})
