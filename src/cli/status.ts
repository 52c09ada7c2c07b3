/**
 * `sealant-db status`: lists the migrations of the database.
 */
import * as Command from "@effect/cli/Command"
import * as SqlClient from "@effect/sql/SqlClient"
import { DateTime, Effect, Option } from "effect"
import * as Migrations from "../Migrations.js"
import { missingDatabase } from "../missingDatabase.js"
import { placeOf } from "../operations/reader.js"
import { layerReadOnly } from "./database.js"
import { json, printJson, printLines } from "./output.js"

const lines = ({ applied, mismatched, pending, unknown }: Migrations.Status) =>
  [
    ...applied.map((migration) => ({ ...migration, text: `applied  ${since(migration)}` })),
    ...pending.map((migration) => ({ ...migration, text: `pending  ${migration.name}` })),
    ...mismatched.map((migration) => ({ ...migration, text: `altered  ${since(migration)}` })),
    ...unknown.map((migration) => ({ ...migration, text: `unknown  ${since(migration)}` }))
  ]
    .toSorted((a, b) => a.id - b.id)
    .map(({ text }) => text)

const since = ({ appliedAt, name }: Migrations.AppliedMigration) => `${name} (${DateTime.formatIso(appliedAt)})`

export const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function* () {
    const status = yield* Migrations.status
    const place = placeOf(yield* SqlClient.SqlClient)
    // For a missing file, the status is that of an empty database in memory.
    const path = place.kind === "file" ? Option.some(place.path) : yield* missingDatabase
    const difference = Migrations.differenceOf(status, Option.getOrUndefined(path))
    const current = difference === undefined
    yield* json ? printJson({ current, ...status }) : printLines([...lines(status), ...(current ? ["up to date"] : [])])
    if (!current) yield* difference
  }).pipe(Effect.provide(layerReadOnly))
).pipe(
  Command.withDescription(
    "Lists the migrations: applied, pending, altered (the applied text differs from the program's) and unknown (applied by a " +
      "newer program). Writes nothing, except that it leaves a file in WAL mode, as every program does that opens it. " +
      "Exits with 0 when the database is current and with 1 when it is not, so that scripts can wait for it."
  )
)
