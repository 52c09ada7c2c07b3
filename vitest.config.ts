import { fileURLToPath } from "node:url"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"

const report = process.env["VITEST_REPORT"]

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const project = (test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  resolve: {
    alias: [
      { find: /^@sealant\/db$/, replacement: source("./src/index.ts") },
      { find: /^@sealant\/db\/(better-auth|payloads|testing)$/, replacement: source("./src/$1/index.ts") }
    ]
  },
  // Timeouts bound hangs: no test fails because the machine is slow.
  test: { testTimeout: 180_000, hookTimeout: 180_000, ...test }
})

/**
 * Folders whose tests start programs, change the environment, or measure the memory of their own process: each file runs in a
 * process of its own. All other folders run in two threads, whose files share the modules that they load.
 */
const inProcesses = [
  "*.test.ts",
  // These wait for the watch on the file of another process.
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
