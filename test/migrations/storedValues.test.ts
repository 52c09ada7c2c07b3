/**
 * Every value that a table accepts can be read: decoded as a row, and encoded as JSON. Limits are for inputs; a row may come
 * from Better Auth, from an import, or from a person with a shell.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import { layerTest } from "@sealant/db/testing"
import Native from "libsql"
import { join } from "node:path"
import { models } from "../../scripts/schema/models.js"
import { longestPath } from "../../src/issue-workflow/ExecutionReport.js"
import { maxIdLength, maxNameLength, maxProseLength } from "../../src/sql/columns.js"
import { maxDocumentLength } from "../../src/sql/json.js"
import { columnList, columnName, columnsOf, readerOf } from "../../src/sql/rows.js"
import { makeFixture } from "../contract/fixtureRows.js"
import { temporaryDirectory } from "../support/directories.js"

const text = (length: number) => `printf('%.${length}c', 'x')`

const nested = (levels: number) =>
  `'{"a":' || printf('%.${levels - 1}c', '[') || printf('%.${levels - 1}c', ']') || '}'`

/** SQL expressions: the last value within each limit, the first beyond it, and values that only a shell can write. */
const values: ReadonlyArray<string> = [
  "NULL",
  ...[0, maxIdLength, maxIdLength + 1, maxNameLength, maxNameLength + 1, longestPath + 1, maxProseLength + 1].map(text),
  "char(0)",
  "'a' || char(0) || 'b'",
  "char(65533, 128051, 10, 27)",
  "-9223372036854775808",
  "-1",
  "0",
  "1",
  "9007199254740993",
  "8640000000000001",
  "9223372036854775807",
  "'{}'",
  '\'{"__proto__":1,"a":1e999}\'',
  nested(65),
  nested(1000)
]

/** Longer than an input may be. Only for documents: in each column of text it would take a minute. */
const longDocument = `json_object('text', printf('%.${maxDocumentLength}c', 'x'))`

/** Typed documents: the schema of the document, not a limit, decides what is read. A row of another shape is `CorruptRow`. */
const typedDocuments = new Set([
  "oci_image_build_jobs.request_payload",
  "oci_image_build_jobs.result_payload",
  "sandbox_attempt_snapshots.user_spec_payload",
  "sandbox_attempt_snapshots.resolved_spec_payload",
  "sandbox_attempt_snapshots.blueprint_payload",
  "profile_revisions.config_patch",
  "repository_profile_revisions.run_template",
  "package_resolution_cache_entries.resolution_payload",
  "github_app_installations.permissions",
  "profile_ssh_settings.host_allowlist",
  "issue_workflow_execution_summaries.assumptions",
  "issue_workflow_execution_summaries.warnings",
  "legacy_imports.report"
])

/** Rows of tables that the fixture does not fill. */
const others = [
  'INSERT INTO legacy_imports (source_sha256, report, imported_at) VALUES (printf(\'%.64c\', \'a\'), \'{"tables":[],"imported":0,"rejected":0,"ignored":[],"repeated":false}\', 0)',
  "INSERT INTO import_rejects (source_table, source_key, row_payload, reason, imported_at) VALUES ('user', 'u', '{}', 'r', 0)"
]

const openFixture = Effect.gen(function* () {
  const path = join(yield* temporaryDirectory, "fixture.sqlite")
  yield* Effect.provide(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* makeFixture
      for (const statement of others) yield* sql.unsafe(statement)
      yield* sql.unsafe(`VACUUM INTO '${path}'`)
    }),
    layerTest
  )
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Native(path)),
    (database) => Effect.sync(() => database.close())
  )
})

const accepts = (database: Native.Database, statement: string): boolean => {
  try {
    return database.prepare(statement).run().changes > 0
  } catch {
    return false
  }
}

describe("a value that a table accepts", () => {
  it.scoped(
    "is decoded as a row and encoded as JSON, for each column of each model",
    () =>
      Effect.gen(function* () {
        const database = yield* openFixture
        database.exec("PRAGMA foreign_keys = off; PRAGMA synchronous = off; PRAGMA journal_mode = memory")
        // Triggers refuse changes of rows, which an INSERT could have written as they are.
        const triggers = database
          .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
          .all() as ReadonlyArray<{ readonly name: string }>
        for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`)
        const unreadable: Array<string> = []
        let accepted = 0
        for (const { model, table } of models) {
          const read = readerOf(model)
          const encode = Schema.encodeUnknownEither(model.json)
          const select = database.prepare(`SELECT ${columnList(model)} FROM ${table.name} LIMIT 1`)
          const row = `rowid = (SELECT rowid FROM ${table.name} LIMIT 1)`
          for (const column of columnsOf(model).map(({ name }) => columnName(name))) {
            if (typedDocuments.has(`${table.name}.${column}`)) continue
            for (const value of column === "payload" ? [...values, longDocument] : values) {
              database.exec("BEGIN")
              if (accepts(database, `UPDATE ${table.name} SET ${column} = ${value} WHERE ${row}`)) {
                accepted++
                const decoded = read(select.all()[0] as Readonly<Record<string, unknown>>)
                const outcome = Either.flatMap(
                  Either.mapLeft(decoded, ({ error }) => `row: ${error.column}`),
                  (instance) => Either.mapLeft(encode(instance), () => "JSON")
                )
                if (Either.isLeft(outcome)) unreadable.push(`${table.name}.${column} = ${value} (${outcome.left})`)
              }
              database.exec("ROLLBACK")
            }
          }
        }
        expect(unreadable).toEqual([])
        expect(accepted).toBeGreaterThan(2000)
      }),
    60_000
  )
})
