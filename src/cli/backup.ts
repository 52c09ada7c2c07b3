/**
 * `sealant-db backup PATH`: writes a verified copy of the database.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect } from "effect"
import * as Maintenance from "../Maintenance.js"
import { contentsInWords, copyProgress } from "./copying.js"
import { layerExisting } from "./database.js"
import { json, printJson, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("Path of the backup. Its directory must exist."))

const overwrite = Options.boolean("overwrite").pipe(
  Options.withDescription("Replace the file at that path after the new backup is verified.")
)

export const backup = Command.make("backup", { path, overwrite, json }, ({ json, overwrite, path }) =>
  Effect.gen(function* () {
    const made = yield* withProgress(json, (report) =>
      Maintenance.backup(path, { overwrite, onProgress: copyProgress(report) })
    )
    if (json) return yield* printJson(made)
    yield* Console.log(`backed up to ${made.path} (${contentsInWords(made)})`)
    for (const problem of made.problems)
      yield* Console.error(`sealant-db: restore will refuse it: ${problem}; see \`sealant-db doctor\``)
  }).pipe(Effect.provide(layerExisting))
).pipe(
  Command.withDescription(
    "Copies a consistent snapshot of the database while programs use it. The copy is verified, readable by its owner only, " +
      "and appears at its path only when it is complete. Fails if the file exists, unless --overwrite is set."
  )
)
