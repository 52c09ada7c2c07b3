/**
 * The global setup of the test run: bundles the programs that tests start, in watch mode again before each rerun, and
 * starts the libSQL server.
 */
import type { TestProject } from "vitest/node"
import { buildPrograms } from "./programs.js"
import { startShared } from "./sqld/shared.js"

let endServer = () => Promise.resolve()

export const setup = async (project: TestProject): Promise<void> => {
  await buildPrograms()
  project.onTestsRerun(buildPrograms)
  endServer = await startShared()
}

export const teardown = (): Promise<void> => endServer()
