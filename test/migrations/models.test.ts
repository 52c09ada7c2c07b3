import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as db from "@sealant/db"
import { models } from "../../scripts/schema/models.js"
import { columnList } from "../../src/sql/rows.js"
import { memoryLayer } from "../support/database.js"
import { roundTrip } from "../support/roundTrip.js"

describe("row models", () => {
  it("are exported, one per table", () => {
    const tables = models.map(({ table }) => table.name)
    expect(tables.toSorted()).toEqual([...new Set(tables)].toSorted())
    expect(tables).toEqual(
      expect.arrayContaining(["sandboxes", "user", "control_plane_events", "issue_workflow_executions"])
    )
  })

  for (const { model, name, table } of models) {
    it.effect(`${name} has the columns of ${table.name}`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const stored = yield* sql<{ readonly name: string }>`SELECT name FROM pragma_table_info(${table.name})`
        const modelled = columnList(model)
          .split(", ")
          .map((column) => column.split(" ")[0])
        expect([...modelled, ...(table.maintained ?? [])].toSorted()).toEqual(
          stored.map((column) => column.name).toSorted()
        )
        expect(table.purpose).toMatch(/\.$/)
        expect(Object.keys(db)).toContain(table.service)
      }).pipe(Effect.provide(memoryLayer))
    )

    roundTrip(`${name} survives the way through the engine and through JSON`, model, 50)

    for (const [column, machine] of Object.entries(table.states ?? {})) {
      it.effect(`${table.name}.${column} has the declared states`, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const [found] = yield* sql<{ readonly sql: string }>`SELECT sql FROM sqlite_schema WHERE name = ${table.name}`
          const allowed = new RegExp(`CHECK \\(${column} IN \\(([^)]*)\\)\\)`).exec(found?.sql ?? "")?.[1]
          expect(allowed?.replaceAll("'", "").split(", ")).toEqual(machine.states)
          expect(Object.keys(machine.transitions).toSorted()).toEqual(machine.states.toSorted())
        }).pipe(Effect.provide(memoryLayer))
      )
    }
  }
})
