import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const report = process.env["VITEST_REPORT"]

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// Suites that neither mock modules nor change the process: they share the loaded modules of a thread, which are half of their time.
const sharing = ["contract", "domain", "internal", "lifecycle", "migrations", "payloads", "security"].map((folder) => `test/${folder}/**/*.test.ts`)

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@sealant\/db$/, replacement: source("./src/index.ts") },
      { find: /^@sealant\/db\/(better-auth|payloads|testing)$/, replacement: source("./src/$1/index.ts") }
    ]
  },
  test: {
    // Files that start many processes are measured in processes, not in tests: two at a time suit the smallest machine.
    maxWorkers: 2,
    minWorkers: 1,
    ...(report === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: report } }),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The groups run one after the other: each has two workers.
    projects: [
      { extends: true, test: { name: "shared", include: sharing, pool: "threads", isolate: false, sequence: { groupOrder: 0 } } },
      { extends: true, test: { name: "isolated", include: ["test/**/*.test.ts"], exclude: sharing, pool: "forks", sequence: { groupOrder: 1 } } }
    ]
  }
})
