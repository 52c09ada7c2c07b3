/**
 * One connection of the server to its database, with the error messages of a libSQL server
 * (https://github.com/tursodatabase/libsql/blob/main/libsql-server/src/hrana/stmt.rs).
 */
import Database from "libsql"
import { inspectStatement, splitStatements } from "../../../src/libsql/sqlText.js"
import { StatementError, type Stmt, type StmtResult, toEngine, toWire } from "./wire.js"

interface Prepared {
  readonly statement: Database.Statement
  readonly reader: boolean
}

/** What of a text decides how it runs. */
export interface Parsed {
  readonly sql: string
  /** Whether it has to hold the lock of the one writer. */
  readonly writes: boolean
}

export class Engine {
  private readonly database: Database.Database
  private readonly statements = new Map<string, Prepared>()
  /** Whether a PRAGMA may have changed what the next one finds here. */
  altered = false

  constructor(path: string) {
    this.database = new Database(path, { timeout: 0 })
    // What the tests are about is lost when the server dies, and only then.
    this.database.exec("PRAGMA journal_mode = wal; PRAGMA synchronous = off; PRAGMA foreign_keys = on")
  }

  get inTransaction(): boolean {
    return this.database.inTransaction
  }

  run({ sql, writes }: Parsed, { args = [], want_rows: wantRows = true }: Stmt): StmtResult {
    try {
      const { kind, placeholders } = inspectStatement(sql)
      if (kind === "alone") this.altered = true
      if (kind === "boundary") {
        // By `exec`: a prepared statement that meets a lock is left open by the binding.
        this.database.exec(sql)
        return { cols: [], rows: [], affected_row_count: 0, last_insert_rowid: null }
      }
      if (args.length !== placeholders)
        throw new StatementError("ARGS_INVALID", "Arguments do not match SQL parameters")
      const { reader, statement } = this.prepare(sql)
      const values = args.map(toEngine)
      if (!reader) {
        const { changes, lastInsertRowid } = statement.run(values)
        return {
          cols: [],
          rows: [],
          affected_row_count: writes ? changes : 0,
          last_insert_rowid: writes ? String(lastInsertRowid) : null
        }
      }
      const found: ReadonlyArray<unknown> = statement.all(values)
      const rows = found.map((row) => (Array.isArray(row) ? row.map(toWire) : []))
      const cols = statement.columns().map(({ name, type }) => ({ name, decltype: type }))
      return {
        cols,
        rows: wantRows ? rows : [],
        affected_row_count: writes ? Number(this.valueOf("SELECT changes()")) : 0,
        last_insert_rowid: writes ? String(this.valueOf("SELECT last_insert_rowid()")) : null
      }
    } catch (error) {
      throw told(error)
    }
  }

  /** The columns of a statement, without running it. */
  columns(sql: string): ReadonlyArray<{ readonly name: string; readonly decltype: string | null }> {
    try {
      const { reader, statement } = this.prepare(sql)
      return reader ? statement.columns().map(({ name, type }) => ({ name, decltype: type })) : []
    } catch (error) {
      throw told(error)
    }
  }

  rollback(): void {
    if (this.database.inTransaction) this.database.exec("ROLLBACK")
  }

  close(): void {
    this.database.close()
  }

  private valueOf(sql: string): unknown {
    const [row]: ReadonlyArray<unknown> = this.prepare(sql).statement.all([])
    return Array.isArray(row) ? row[0] : undefined
  }

  private prepare(sql: string): Prepared {
    const known = this.statements.get(sql)
    if (known !== undefined) return known
    const statement = this.database.prepare(sql)
    const { reader } = statement
    if (reader) statement.raw(true).safeIntegers(true)
    const prepared = { statement, reader }
    // A statement with a star is prepared each time, as its columns may change.
    if (!sql.includes("*")) this.statements.set(sql, prepared)
    return prepared
  }
}

// https://github.com/tursodatabase/libsql/blob/main/libsql-server/src/query_analysis.rs
const readablePragmas =
  /^PRAGMA\s+(table_list|index_list|table_info|table_xinfo|index_xinfo|compile_options|database_list|function_list|encoding|defer_foreign_keys|foreign_keys|foreign_key_list|foreign_key_check|collation_list|data_version|freelist_count|integrity_check|page_count|quick_check|user_version)\b/i
const pragmasToLookAt =
  /^PRAGMA\s+(application_id|auto_vacuum|busy_timeout|cache_size|journal_mode|locking_mode|max_page_count|mmap_size|page_size|query_only|recursive_triggers|schema_version|synchronous|temp_store|wal_autocheckpoint)\s*;?$/i
const connectionStatement = /^(ATTACH|DETACH|VACUUM|REINDEX|ANALYZE|CREATE\s+TEMP)/i

/** Looks at a text as the server does before it runs anything: one statement, of a kind that it lets through. */
export const parse = (text: string): Parsed => {
  const [sql, ...others] = splitStatements(text)
  if (sql === undefined) throw new StatementError("SQL_NO_STATEMENT", "SQL string does not contain any statement")
  if (others.length > 0) throw new StatementError("SQL_MANY_STATEMENTS", "SQL string contains more than one statement")
  const refusedPragma = /^PRAGMA/i.test(sql) && !readablePragmas.test(sql) && !pragmasToLookAt.test(sql)
  if (refusedPragma || connectionStatement.test(sql)) {
    throw new StatementError("SQL_PARSE_ERROR", `SQL string could not be parsed: unsupported statement: ${sql}`)
  }
  return { sql, writes: inspectStatement(sql).kind === "write" || /^BEGIN\s+IMMEDIATE/i.test(sql) }
}

/** The engine's error in the server's words: the primary code only, and the message after a word of where it comes from. */
const told = (error: unknown): StatementError => {
  if (error instanceof StatementError || !(error instanceof Error)) throw error
  const code = "code" in error ? String(error.code) : "SQLITE_UNKNOWN"
  const { message } = error
  if (
    code.startsWith("SQLITE_ERROR") &&
    /syntax error|no such (table|column)|already exists|has no column|unrecognized token/.test(message)
  ) {
    return new StatementError("SQL_INPUT_ERROR", `SQL input error: ${message} (at offset 0)`)
  }
  const primary =
    code === "UNKNOWN_SQLITE_ERROR_3091" ? "SQLITE_CONSTRAINT" : (/^SQLITE_[A-Z]+/.exec(code)?.[0] ?? "SQLITE_UNKNOWN")
  return new StatementError(primary === "SQLITE_ERROR" ? "SQLITE_UNKNOWN" : primary, `SQLite error: ${message}`)
}
