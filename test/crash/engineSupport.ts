/**
 * Helpers of the disk tests: a process that launches sandboxes on command, and a check of the file.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Maintenance from "../../src/Maintenance.js"
import { contradictions } from "../sandbox/lifecycle/invariants.js"
import { child, type Identity } from "../support/children.js"
import type { ObedientReport } from "./obedient.js"
import { onFile } from "./torture/world.js"

/** A process that launches sandboxes on command. */
export const obedient = (filePath: string, name: string, identity?: Identity) =>
  Effect.map(
    child<ObedientReport>(new URL("./obedient.ts", import.meta.url), { filePath, name }, undefined, identity),
    (process) => ({
      ...process,
      /** Launches this number of sandboxes, and returns the results. */
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

/** The result of an integrity check, and the launches in the file, in order. */
export const lookAt = (filePath: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { ok } = yield* Maintenance.integrityCheck
    const rows = yield* sql<{ readonly name: string }>`SELECT name FROM sandboxes ORDER BY name`
    return { ok, names: rows.map(({ name }) => name), contradictions: yield* contradictions() }
  }).pipe(Effect.provide(onFile({ filePath, keys: 1 })))
