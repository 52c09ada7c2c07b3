/**
 * `sealant-db migrate`: applies pending migrations.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect } from "effect"
import { layerConfigWithoutReplica } from "../Database.js"
import * as Migrations from "../Migrations.js"
import { layerReadOnly } from "./database.js"
import { json, printJson, printLines } from "./output.js"

const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription(
    "Only list the migrations that would be applied. Writes nothing, and does not create the file."
  )
)

const list = (verb: string, migrations: ReadonlyArray<{ readonly name: string }>) =>
  migrations.length === 0 ? Console.log("up to date") : printLines(migrations.map(({ name }) => `${verb} ${name}`))

const migrations = (dryRun: boolean) =>
  dryRun ? Effect.provide(Migrations.plan, layerReadOnly) : Effect.provide(Migrations.run, layerConfigWithoutReplica)

export const migrate = Command.make("migrate", { dryRun, json }, ({ dryRun, json }) =>
  Effect.flatMap(migrations(dryRun), (found: ReadonlyArray<{ readonly name: string }>) =>
    json
      ? printJson({ dryRun, migrations: found.map(({ name }) => name) })
      : list(dryRun ? "would apply" : "applied", found)
  )
).pipe(
  Command.withDescription(
    "Applies the pending migrations: all of them or, when one fails, none. Idempotent, and safe to run on several machines at " +
      "once. Creates the database file when it is missing."
  )
)
