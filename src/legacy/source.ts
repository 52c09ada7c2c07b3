/**
 * A database at the predecessor's schema: read in a thread of its own, in batches, and never written.
 */
import { Data, Effect, Option, Stream } from "effect"
import { statSync } from "node:fs"
import { EngineThread } from "../libsql/EngineThread.js"
import { LegacyImportRefused } from "./errors.js"
import type { Row } from "./repairs.js"
import { legacyTables, mayBeMissing } from "./tables.js"

const busyTimeoutMs = 5000
const batchSize = 500

/** The source could not be read on the way. */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{ readonly problem: string }> {}

const refuse = (reason: LegacyImportRefused["reason"], problem: string) => new LegacyImportRefused({ reason, problem })

const problemOf = (error: unknown) => error instanceof Error ? error.message : String(error)

export interface Source {
  /** The rows of a table, in the order in which they were stored. */
  readonly rows: (table: string) => Stream.Stream<ReadonlyArray<Row>, SourceUnreadable>
}

/**
 * Opens the database at `path`, as long as the scope lives. Refuses what is not there, what is no database, and what is
 * none of the predecessor's.
 */
export const openSource = (path: string) =>
  Effect.gen(function*() {
    const file = yield* Effect.sync(() => statSync(path, { throwIfNoEntry: false }))
    if (file === undefined || !file.isFile()) return yield* refuse("NotFound", `there is no file at ${path}`)
    const thread = yield* Effect.acquireRelease(
      Effect.sync(() => new EngineThread(path, busyTimeoutMs, true)),
      (thread) => Effect.promise(() => thread.close())
    )
    const all = (text: string) => Effect.tryPromise({ try: () => thread.all(text), catch: (error) => new SourceUnreadable({ problem: problemOf(error) }) })

    const tables = yield* Effect.mapError(
      all("SELECT name FROM sqlite_schema WHERE type = 'table'"),
      () => refuse("NotADatabase", `${path} is no SQLite database, or a damaged one`)
    )
    const found = new Set(tables.map(({ name }) => String(name)))
    if (found.has("sealant_migrations")) return yield* refuse("NotThePredecessors", `${path} is a database of this program: back it up and restore it instead`)
    const missing = legacyTables.filter(({ name }) => !found.has(name) && !mayBeMissing.has(name)).map(({ name }) => name)
    if (!found.has("__drizzle_migrations") || missing.length > 0) {
      const what = missing.length === 0 ? "its ledger of migrations" : missing.slice(0, 5).join(", ")
      return yield* refuse("NotThePredecessors", `${path} is no database of the predecessor: it lacks ${what}${missing.length > 5 ? " and more" : ""}`)
    }

    const rows: Source["rows"] = (table) =>
      found.has(table)
        ? Stream.paginateEffect(Number.MIN_SAFE_INTEGER, (after) =>
          Effect.map(
            // The numbers are ours: the thread takes texts only.
            all(`SELECT rowid AS "_rowid", * FROM "${table}" WHERE rowid > ${after} ORDER BY rowid LIMIT ${batchSize}`),
            (batch) => {
              const last = batch.at(-1)?.["_rowid"]
              const next = batch.length === batchSize && typeof last === "number" ? last : undefined
              return [batch.map(({ _rowid, ...row }): Row => row), next === undefined ? Option.none<number>() : Option.some(next)] as const
            }
          ))
        : Stream.empty
    return { rows } satisfies Source
  })
