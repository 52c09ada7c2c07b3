/**
 * Ours: `WorkspaceBuildJobRepo.layer` over `Database.layer`.
 */
import * as Database from "../../../src/Database.js"
import type { OpenOptions } from "../contestant.js"
import { repositoryOver } from "./repository.js"

export const openOurs = ({ durability, file }: OpenOptions) =>
  repositoryOver(file, Database.layer({ filePath: file, synchronous: durability }))
