/**
 * The steps of an import: all tables in order, in one transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option } from "effect"
import * as Database from "../Database.js"
import { ImportedSource, type ImportReport } from "./ImportedSource.js"
import type { PersistenceError } from "../Errors.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { operations } from "../sql/operations.js"
import { columnList, rowsOf } from "../sql/rows.js"
import { LegacyImportFailed, type LegacyImportRefused, refuse } from "./errors.js"
import { openSource } from "./source.js"
import { inspectSource, type SourceFile } from "./sourceFile.js"
import { readReferences, settleText, targetIsFilledText } from "./statements.js"
import { legacyTables } from "./tables.js"
import { makeTableImporter } from "./importTable.js"

/** Options of an import. */
export interface ImportOptions {
  /** Called after each batch, with the number of processed rows of the table. */
  readonly onProgress?: ((table: string, rows: number) => Effect.Effect<void>) | undefined
}

const { traced } = operations("LegacyImport", "ImportedSource")

const noProgress = () => Effect.void

const importOf = ({ path, sha256, isUnchanged }: SourceFile, { onProgress = noProgress }: ImportOptions) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const imports = yield* rowsOf(ImportedSource)
    // The first statement takes the write lock, so no other process can fill the database from here on.
    const before = yield* imports.findOne(sql`
      SELECT ${sql.literal(columnList(ImportedSource))} FROM legacy_imports WHERE source_sha256 = ${sha256}`)
    if (Option.isSome(before)) return { ...before.value.report, repeated: true }
    const [target] = yield* sql.unsafe<{ readonly filled: number }>(targetIsFilledText)
    if (target?.filled === 1) {
      return yield* refuse(
        "TargetNotEmpty",
        "the database already contains rows that were not imported from this file: import into an empty database"
      )
    }

    const source = yield* openSource(path)
    const now = yield* Clock.currentTimeMillis
    const importerOf = yield* makeTableImporter(source, yield* readReferences, now)
    // Each importer compiles statements and decoders. Those of all tables block the event loop for 30 ms.
    const importers = yield* Effect.forEach(legacyTables, (table) =>
      Effect.zipRight(
        nextTurn,
        Effect.suspend(() => {
          const importer = importerOf(table, onProgress)
          return Effect.as(importer.importRows, importer)
        })
      )
    )
    for (const { fillDeferred } of importers) yield* fillDeferred
    yield* sql.unsafe(settleText)
    const tables = importers.map(({ counts }) => counts.report)
    const report: ImportReport = {
      tables,
      imported: tables.reduce((sum, { imported }) => sum + imported, 0),
      rejected: tables.reduce((sum, { rejected }) => sum + rejected, 0),
      ignored: yield* source.ignored,
      repeated: false
    }
    if (!(yield* isUnchanged))
      return yield* new LegacyImportFailed({
        problem: "the source changed during the import: stop the program that writes to it"
      })
    yield* sql`INSERT INTO legacy_imports (source_sha256, report, imported_at) VALUES (${sha256}, ${JSON.stringify(report)}, ${now})`
    return report
  })

export const importSource = (
  path: string,
  options: ImportOptions = {}
): Effect.Effect<ImportReport, LegacyImportRefused | LegacyImportFailed | PersistenceError, SqlClient.SqlClient> =>
  SqlClient.SqlClient.pipe(
    Effect.flatMap((sql) => inspectSource(sql, path)),
    Effect.flatMap((file) => Database.transaction(Effect.scoped(importOf(file, options)))),
    Effect.catchTag(
      "SourceUnreadable",
      ({ problem }) => new LegacyImportFailed({ problem: `the source cannot be read completely: ${problem}` })
    ),
    traced("run", [])
  )
