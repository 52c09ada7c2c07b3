/**
 * `sealant-db status`: which migrations the database has.
 */
import { Command } from "@effect/cli"
import { DateTime, Effect } from "effect"
import * as Migrations from "../Migrations.js"
import { layerToLookAt } from "./database.js"
import { json, printJson, printLines } from "./output.js"

const lines = ({ applied, mismatched, pending, unknown }: Migrations.Status) =>
  [
    ...applied.map((migration) => ({ ...migration, text: `applied  ${since(migration)}` })),
    ...pending.map((migration) => ({ ...migration, text: `pending  ${migration.name}` })),
    ...mismatched.map((migration) => ({ ...migration, text: `altered  ${since(migration)}` })),
    ...unknown.map((migration) => ({ ...migration, text: `unknown  ${since(migration)}` }))
  ].toSorted((a, b) => a.id - b.id).map(({ text }) => text)

const since = ({ appliedAt, name }: Migrations.AppliedMigration) => `${name} (${DateTime.formatIso(appliedAt)})`

export const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function*() {
    const status = yield* Migrations.status
    const difference = Migrations.differenceOf(status)
    const current = difference === undefined
    yield* json ? printJson({ current, ...status }) : printLines([...lines(status), ...(current ? ["up to date"] : [])])
    if (!current) yield* difference
  }).pipe(Effect.provide(layerToLookAt))
).pipe(
  Command.withDescription(
    "Lists the migrations that are applied, pending, altered (the database has another text than the program) and unknown " +
      "(a newer program applied them). Writes nothing, but leaves a file in WAL mode, as whatever opens it. Exits with 0 when the database is current and with 1 when it is not, " +
      "so that scripts can wait for it."
  )
)
