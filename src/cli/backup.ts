/**
 * `sealant-db backup PATH`: a verified copy of the database.
 */
import { Args, Command, Options } from "@effect/cli"
import { Console, Effect } from "effect"
import * as Maintenance from "../Maintenance.js"
import { contentsInWords, copyProgress } from "./copying.js"
import { layerExisting } from "./database.js"
import { json, printJson, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("Where the backup is to be. Its directory has to be there."))

const overwrite = Options.boolean("overwrite").pipe(
  Options.withDescription("Replace the file at that path, once the new backup is verified.")
)

export const backup = Command.make("backup", { path, overwrite, json }, ({ json, overwrite, path }) =>
  Effect.gen(function*() {
    const made = yield* withProgress(json, (tell) => Maintenance.backup(path, { overwrite, onProgress: copyProgress(tell) }))
    if (json) return yield* printJson(made)
    yield* Console.log(`backed up to ${made.path} (${contentsInWords(made)})`)
    for (const problem of made.problems) yield* Console.error(`sealant-db: restore will refuse it: ${problem}; see \`sealant-db doctor\``)
  }).pipe(Effect.provide(layerExisting))).pipe(
  Command.withDescription(
    "Copies the database as of one moment while programs go on using it. The copy is verified, readable by its owner only, " +
      "and at its path whole or not at all. Replaces nothing unless told to."
  )
)
