import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { runsAll } from "./test/support/volume.js"

const report = process.env["VITEST_REPORT"]

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Files that take longest, so that no process runs one of them alone at the end. */
const slowest = [
  "crash/torture",
  "contract/oversized",
  "dashboard/browser/pages",
  "examples/processes",
  "sandbox/lifecycle/states"
]

/** Suites that take minutes at any useful volume. `npm run test:all` runs them, too. */
const long = ["crash/torture", "contract/oversized", "contract/lostAnswers", "examples/load"]
const excluded = runsAll ? [] : long.map((path) => `test/${path}.test.ts`)

const isSlow = ({ moduleId }: TestSpecification) => slowest.some((path) => moduleId.endsWith(`test/${path}.test.ts`))

/** Vitest starts with the files that were slowest in the last run, or are longest. A fresh clone has no last run. */
class SlowestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))]
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@sealant\/db$/, replacement: source("./src/index.ts") },
      { find: /^@sealant\/db\/([a-z-]+)$/, replacement: source("./src/$1/index.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...excluded],
    sequence: { sequencer: SlowestFirst },
    globalSetup: "test/support/globalSetup.ts",
    ...(report === undefined ? {} : { reporters: ["default", "json"], outputFile: { json: report } }),
    // Timeouts bound hangs: no test fails because the machine is slow.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Processes, because tests wait for file-change notifications of others and change the state of their process. Each
    // runs many files and loads shared modules once. Some files mostly wait: one process more than the cores of CI. With
    // `minWorkers` below `maxWorkers - 1`, the pool fails at its end with "Terminating worker thread".
    pool: "forks",
    maxWorkers: 3,
    minWorkers: 2,
    // A larger young generation: garbage collection took a tenth of the CPU time of the tests.
    poolOptions: { forks: { isolate: false, execArgv: ["--max-semi-space-size=32"] } }
  }
})
