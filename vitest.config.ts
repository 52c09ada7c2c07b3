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

/** Folders of tests that only call services. Their files run in two threads, and share the modules that these have loaded. */
const inThreads = ["contract", "domain", "internal", "legacy", "lifecycle", "migrations", "payloads", "security"]
  .map((folder) => `test/${folder}/**/*.test.ts`)

export default defineConfig({
  test: {
    globalSetup: "test/support/globalSetup.ts",
    ...(report === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: report } }),
    maxWorkers: 2,
    minWorkers: 1,
    poolOptions: { threads: { isolate: false } },
    projects: [
      project({ name: "threads", include: inThreads, pool: "threads", sequence: { groupOrder: 0 } }),
      // The rest starts processes, changes the environment, or looks at the memory of its own process.
      project({ name: "forks", include: ["test/**/*.test.ts"], exclude: inThreads, pool: "forks", sequence: { groupOrder: 1 } })
    ]
  }
})
