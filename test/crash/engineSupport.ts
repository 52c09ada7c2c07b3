/**
 * Helpers of the disk tests: a process that launches sandboxes on command, and a check of the file.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Maintenance from "../../src/Maintenance.js"
import { contradictions } from "../sandbox/lifecycle/invariants.js"
import { child, type Identity } from "../support/children.js"
import type { LauncherReport } from "./launchServer.js"
import { onFile } from "./torture/database.js"

/** A process that launches sandboxes on command. */
export const startLauncher = (filePath: string, name: string, identity?: Identity) =>
  Effect.map(
    child<LauncherReport>(new URL("./launchServer.ts", import.meta.url), { filePath, name }, undefined, identity),
    (process) => ({
      ...process,
      /** Launches this number of sandboxes, and returns the results. */
      launch: (count: number) =>
        Effect.promise(async () => {
          const before = process.reports.length
          process.writeLine(`launch ${count}`)
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
