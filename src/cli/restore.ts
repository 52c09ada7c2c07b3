/**
 * `sealant-db restore PATH`: replaces the database with a backup.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option } from "effect"
import * as Maintenance from "../Maintenance.js"
import { contentsInWords, copyProgress } from "./copying.js"
import { databasePath } from "./database.js"
import { json, printJson, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("Path of the backup."))

const overwrite = Options.boolean("overwrite").pipe(
  Options.withDescription("Replace an existing database. The old one is kept beside the new one.")
)

export const restore = Command.make("restore", { path, overwrite, json }, ({ json, overwrite, path: from }) =>
  Effect.gen(function* () {
    const to = yield* databasePath
    const restored = yield* withProgress(json, (report) =>
      Maintenance.restore({ from, to, overwrite, onProgress: copyProgress(report) })
    )
    if (json) return yield* printJson({ ...restored, kept: Option.getOrNull(restored.kept) })
    if (Option.isSome(restored.kept)) yield* Console.log(`kept the database that was there as ${restored.kept.value}`)
    yield* Console.log(`restored ${restored.path} (${contentsInWords(restored)})`)
  })
).pipe(
  Command.withDescription(
    "Copies a backup to DATABASE_FILE_PATH, and verifies it before and after the copy. Stop all programs that use the database " +
      "first: the command fails while one has it open. After restoring a backup of an older program, run `migrate`."
  )
)
