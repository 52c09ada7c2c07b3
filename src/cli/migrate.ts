/**
 * `sealant-db migrate`: brings the database up to date.
 */
import { Command, Options } from "@effect/cli"
import { Console, Effect } from "effect"
import { layerConfig } from "../Database.js"
import * as Migrations from "../Migrations.js"
import { layerToLookAt } from "./database.js"
import { json, printJson, printLines } from "./output.js"

const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Only say what would be applied. Writes nothing, and does not create the file.")
)

const list = (verb: string, migrations: ReadonlyArray<{ readonly name: string }>) =>
  migrations.length === 0 ? Console.log("up to date") : printLines(migrations.map(({ name }) => `${verb} ${name}`))

const migrations = (dryRun: boolean) =>
  dryRun ? Effect.provide(Migrations.plan, layerToLookAt) : Effect.provide(Migrations.run, layerConfig)

export const migrate = Command.make("migrate", { dryRun, json }, ({ dryRun, json }) =>
  Effect.flatMap(migrations(dryRun), (found: ReadonlyArray<{ readonly name: string }>) =>
    json ? printJson({ dryRun, migrations: found.map(({ name }) => name) }) : list(dryRun ? "would apply" : "applied", found))).pipe(
  Command.withDescription(
    "Applies the migrations that the database lacks, all of them or, when one fails, none. " +
      "Safe to run from several machines at once, and again. Creates the database file when it is missing."
  )
)
