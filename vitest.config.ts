import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const report = process.env["VITEST_REPORT"]

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@sealant\/db$/, replacement: source("./src/index.ts") },
      { find: /^@sealant\/db\/(better-auth|payloads|testing)$/, replacement: source("./src/$1/index.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Files that start many processes are measured in processes, not in tests: two at a time suit the smallest machine.
    maxWorkers: 2,
    minWorkers: 1,
    ...(report === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: report } }),
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
