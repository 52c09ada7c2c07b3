/**
 * What the suites of a disk that fails share: a process that launches as it is told, and the look at what is there then.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Maintenance from "../../src/Maintenance.js"
import { contradictions } from "../sandbox/lifecycle/invariants.js"
import { child, type Identity } from "../support/children.js"
import type { ObedientReport } from "./obedient.js"
import { onFile } from "./torture/world.js"

/** A process that launches as it is told. */
export const obedient = (filePath: string, name: string, identity?: Identity) =>
  Effect.map(
    child<ObedientReport>(new URL("./obedient.ts", import.meta.url), { filePath, name }, undefined, identity),
    (process) => ({
      ...process,
      /** Lets it launch so many, and says what became of them. */
      launch: (count: number) =>
        Effect.promise(async () => {
          const before = process.reports.length
          process.say(`launch ${count}`)
          await process.when((reports) => reports.slice(before).some(({ type }) => type === "done"))
          const told = process.reports.slice(before)
          return {
            launched: told.flatMap((report) => (report.type === "launched" ? [report.name] : [])),
            refused: told.flatMap((report) => (report.type === "refused" ? [`${report.tag} ${report.reason}`] : []))
          }
        })
    })
  )

/** Whether the file is whole, and which launches are in it, in order. */
export const lookAt = (filePath: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { ok } = yield* Maintenance.integrityCheck
    const rows = yield* sql<{ readonly name: string }>`SELECT name FROM sandboxes ORDER BY name`
    return { ok, names: rows.map(({ name }) => name), contradictions: yield* contradictions() }
  }).pipe(Effect.provide(onFile({ filePath, keys: 1 })))
