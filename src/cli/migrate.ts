/**
 * `sealant-db migrate`: brings the database up to date.
 */
import { Command, Options } from "@effect/cli"
import { Console, Effect } from "effect"
import { layerConfig } from "../Database.js"
import * as Migrations from "../Migrations.js"
import { layerToLookAt } from "./database.js"

const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Only say what would be applied. Writes nothing, and does not create the file.")
)

const list = (verb: string, migrations: ReadonlyArray<{ readonly name: string }>) =>
  migrations.length === 0
    ? Console.log("up to date")
    : Effect.forEach(migrations, ({ name }) => Console.log(`${verb} ${name}`), { discard: true })

export const migrate = Command.make("migrate", { dryRun }, ({ dryRun }) =>
  Effect.if(dryRun, {
    onTrue: () => Effect.provide(Effect.flatMap(Migrations.plan, (pending) => list("would apply", pending)), layerToLookAt),
    onFalse: () => Effect.provide(Effect.flatMap(Migrations.run, (applied) => list("applied", applied)), layerConfig)
  })).pipe(
  Command.withDescription(
    "Applies the migrations that the database lacks, all of them or, when one fails, none. " +
      "Safe to run from several machines at once, and again. Creates the database file when it is missing."
  )
)
