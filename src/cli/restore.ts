/**
 * `sealant-db restore PATH`: puts a backup in the place of the database.
 */
import { Args, Command, Options } from "@effect/cli"
import { Console, Effect, Option } from "effect"
import * as Maintenance from "../Maintenance.js"
import { contentsInWords, copyProgress } from "./copying.js"
import { databasePath } from "./database.js"
import { json, printJson, withProgress } from "./output.js"

const path = Args.text({ name: "path" }).pipe(Args.withDescription("The backup."))

const overwrite = Options.boolean("overwrite").pipe(
  Options.withDescription("Replace the database that is there. It is kept beside the new one.")
)

export const restore = Command.make("restore", { path, overwrite, json }, ({ json, overwrite, path: from }) =>
  Effect.gen(function*() {
    const to = yield* databasePath
    const restored = yield* withProgress(json, (tell) => Maintenance.restore({ from, to, overwrite, onProgress: copyProgress(tell) }))
    if (json) return yield* printJson({ ...restored, kept: Option.getOrNull(restored.kept) })
    if (Option.isSome(restored.kept)) yield* Console.log(`kept the database that was there as ${restored.kept.value}`)
    yield* Console.log(`restored ${restored.path} (${contentsInWords(restored)})`)
  })).pipe(
  Command.withDescription(
    "Puts a backup where DATABASE_FILE_PATH says, verified before and after it was copied. Stop all programs that use the " +
      "database first: it is refused while one has it open. A backup of an older program is taken; run `migrate` afterwards."
  )
)
