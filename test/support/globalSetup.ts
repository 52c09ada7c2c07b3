/**
 * What runs once before the tests.
 */
import { buildPrograms } from "./programs.js"

export const setup = async (): Promise<void> => {
  await buildPrograms()
}
