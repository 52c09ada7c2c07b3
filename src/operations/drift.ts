/**
 * Whether the tables, indexes and triggers are those that the migrations make: what a person has dropped or changed with
 * another tool, the ledger does not know.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { layerMemory } from "../Database.js"
import * as Migrations from "../Migrations.js"
import { operations } from "../internal/query.js"

const { read } = operations("Doctor", "Schema")

const objects = Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ readonly object: string; readonly sql: string | null }>`
  SELECT type || ' ' || name AS object, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*' ORDER BY name`)

/** Which of the program's objects the database lacks, and which it has otherwise. Others that it has are its own. */
export const schemaDrift = Effect.gen(function*() {
  const present = new Map((yield* objects).map(({ object, sql }) => [object, sql]))
  const expected = yield* Effect.zipRight(Migrations.run, objects).pipe(Effect.provide(layerMemory))
  return {
    missing: expected.filter(({ object }) => !present.has(object)).map(({ object }) => object),
    altered: expected.filter(({ object, sql }) => present.has(object) && present.get(object) !== sql).map(({ object }) => object)
  }
}).pipe(read("schemaDrift"))
