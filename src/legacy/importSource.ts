/**
 * How an import goes: table by table, in one transaction.
 */
import { SqlClient } from "@effect/sql"
import { Clock, Effect, Option } from "effect"
import * as Database from "../Database.js"
import { ImportedSource, type ImportReport } from "./ImportedSource.js"
import type { PersistenceError } from "../Errors.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { LegacyImportFailed, type LegacyImportRefused, refuse } from "./errors.js"
import { openSource } from "./source.js"
import { lookAt, type SourceFile } from "./sourceFile.js"
import { emptyText, readReferences, settleText } from "./statements.js"
import { legacyTables } from "./tables.js"
import { tableTaker } from "./takeTable.js"

/** How an import is told of. */
export interface ImportOptions {
  /** Told how many rows of a table have been gone through, again and again. */
  readonly onProgress?: (table: string, rows: number) => Effect.Effect<void>
}

const { write } = operations("LegacyImport", "ImportedSource")

const silent = () => Effect.void

const importOf = ({ path, sha256, isUnchanged }: SourceFile, { onProgress = silent }: ImportOptions) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const imports = yield* rowsOf(ImportedSource)
    // The first statement takes the write lock: nobody fills the database from here on.
    const before = yield* imports.first(sql`
      SELECT ${sql.literal(columnList(ImportedSource))} FROM legacy_imports WHERE source_sha256 = ${sha256}`)
    if (Option.isSome(before)) return { ...before.value.report, repeated: true }
    const [target] = yield* sql.unsafe<{ readonly filled: number }>(emptyText)
    if (target?.filled === 1) {
      return yield* refuse("TargetNotEmpty", "the database has rows already, and none are of an import of this file: import into an empty one")
    }

    const source = yield* openSource(path)
    const now = yield* Clock.currentTimeMillis
    const takerOf = yield* tableTaker(source, yield* readReferences, now)
    const takers = legacyTables.map((table) => takerOf(table, onProgress))
    for (const { take } of takers) yield* take
    for (const { fillLater } of takers) yield* fillLater
    yield* sql.unsafe(settleText)
    const tables = takers.map(({ counts }) => counts.report)
    const report: ImportReport = {
      tables,
      imported: tables.reduce((sum, { imported }) => sum + imported, 0),
      rejected: tables.reduce((sum, { rejected }) => sum + rejected, 0),
      ignored: yield* source.ignored,
      repeated: false
    }
    if (!(yield* isUnchanged)) return yield* new LegacyImportFailed({ problem: "the source was changed while it was read: stop what writes to it" })
    yield* sql`INSERT INTO legacy_imports (source_sha256, report, imported_at) VALUES (${sha256}, ${JSON.stringify(report)}, ${now})`
    return report
  })

export const importSource = (
  path: string,
  options: ImportOptions = {}
): Effect.Effect<ImportReport, LegacyImportRefused | LegacyImportFailed | PersistenceError, SqlClient.SqlClient> =>
  SqlClient.SqlClient.pipe(
    Effect.flatMap((sql) => lookAt(sql, path)),
    Effect.flatMap((file) => Database.transaction(Effect.scoped(importOf(file, options)))),
    Effect.catchTag("SourceUnreadable", ({ problem }) => new LegacyImportFailed({ problem: `the source cannot be read to its end: ${problem}` })),
    write("run", [])
  )
