/**
 * The global setup of the test run: bundles the programs that tests start, in watch mode again before each rerun.
 */
import type { TestProject } from "vitest/node"
import { buildPrograms } from "./programs.js"

export const setup = async (project: TestProject): Promise<void> => {
  await buildPrograms()
  project.onTestsRerun(buildPrograms)
}
