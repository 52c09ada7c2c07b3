import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import Database from "libsql"
import { inspectStatement, splitStatements, type StatementKind } from "../../src/libsql/sqlText.js"

const trigger = `CREATE TRIGGER guard BEFORE UPDATE ON t WHEN NEW.a IS NOT OLD.a BEGIN
  SELECT CASE WHEN NEW.a > 1 THEN RAISE(ABORT, 'a; b') ELSE 1 END;
  UPDATE t SET b = CASE NEW.a WHEN 1 THEN 2 END WHERE id = NEW.id;
END`

describe("splitStatements", () => {
  const cases: ReadonlyArray<readonly [name: string, script: string, statements: ReadonlyArray<string>]> = [
    ["plain statements", "SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]],
    ["a semicolon at the end", "SELECT 1;\n", ["SELECT 1"]],
    ["empty statements", ";; SELECT 1;; ;", ["SELECT 1"]],
    ["nothing", "", []],
    ["comments only", "-- one;\n/* two; */", []],
    ["semicolons in strings", "SELECT 'a;b', 'it''s;'; SELECT 2", ["SELECT 'a;b', 'it''s;'", "SELECT 2"]],
    [
      "semicolons in quoted names",
      'SELECT "a;""b", `c;d`, [e;f] FROM t; SELECT 2',
      ['SELECT "a;""b", `c;d`, [e;f] FROM t', "SELECT 2"]
    ],
    [
      "semicolons and quotes in comments",
      "SELECT 1 -- it's; not\n; SELECT /* don't; */ 2",
      ["SELECT 1 -- it's; not", "SELECT /* don't; */ 2"]
    ],
    ["comment marks in strings", "SELECT '--', '/*'; SELECT 2", ["SELECT '--', '/*'", "SELECT 2"]],
    ["a trigger with CASE in it", `${trigger}; SELECT 1`, [trigger, "SELECT 1"]],
    [
      "a temporary trigger",
      `${trigger.replace("CREATE", "create temp")};SELECT 1`,
      [trigger.replace("CREATE", "create temp"), "SELECT 1"]
    ],
    ["a string that does not end", "SELECT 'a; SELECT 2", ["SELECT 'a; SELECT 2"]],
    ["a comment that does not end", "SELECT 1; /* SELECT 2;", ["SELECT 1"]]
  ]

  it.each(cases)("%s", (_, script, statements) => {
    expect(splitStatements(script)).toEqual(statements)
  })

  it("splits what was joined", () => {
    const statement = fc.constantFrom(
      "SELECT 1",
      "SELECT ';' AS \"a;b\"",
      "INSERT INTO t VALUES ('it''s; --', 1)",
      "WITH a AS (SELECT ';') INSERT INTO t SELECT * FROM a",
      "SELECT CASE WHEN 1 THEN 2 END",
      "SELECT /* ; */ 1 -- ;\n + 2",
      'UPDATE "end" SET [begin;] = `x;`',
      trigger
    )
    const between = fc.constantFrom(";", " ; ", ";\n-- comment; with 'quote\n", ";;", "; /* a; b */ ")
    fc.assert(
      fc.property(fc.array(fc.tuple(statement, between)), (parts) => {
        const found = splitStatements(parts.map(([text, end]) => text + end).join(""))
        const withoutComments = found.map((text) => text.replace(/^(--[^\n]*\n|\/\*.*?\*\/|\s)+/, ""))
        expect(withoutComments).toEqual(parts.map(([text]) => text))
      })
    )
  })

  it("agrees with the engine on complete scripts", () => {
    const script = `CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); ${trigger}; INSERT INTO t VALUES (1, 'x;y', 0); UPDATE t SET b = 1;`
    const [whole, split] = [new Database(":memory:"), new Database(":memory:")]
    whole.exec(script)
    for (const statement of splitStatements(script)) split.prepare(statement).run([])
    const content = (database: Database.Database) => [
      database.prepare("SELECT * FROM t").all([]),
      database.prepare("SELECT sql FROM sqlite_schema").all([])
    ]
    expect(content(split)).toEqual(content(whole))
    whole.close()
    split.close()
  })

  it("takes time linear in the length of the text", () => {
    const long = `SELECT '${"it''s; ".repeat(200_000)}'; SELECT "${"b".repeat(1_000_000)}`
    expect(splitStatements(long)).toHaveLength(2)
  })
})

describe("inspectStatement", () => {
  const kinds: ReadonlyArray<readonly [string, StatementKind]> = [
    ["SELECT 1", "read"],
    ["  -- why\n select 1", "read"],
    ["; select 1", "read"],
    ["VALUES (1)", "read"],
    ["EXPLAIN QUERY PLAN DELETE FROM t", "read"],
    ["WITH a AS (SELECT 1) SELECT * FROM a", "read"],
    ["WITH a AS (INSERT_ME), b(x) AS NOT MATERIALIZED (SELECT (1)) INSERT INTO t SELECT * FROM a", "write"],
    ["WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) UPDATE t SET a = 1", "write"],
    ["with a as (select 1) delete from t", "write"],
    ["INSERT INTO t VALUES (1) RETURNING *", "write"],
    ["REPLACE INTO t VALUES (1)", "write"],
    ["CREATE TABLE t (a)", "write"],
    [trigger, "write"],
    ["ANALYZE", "write"],
    ["PRAGMA user_version", "alone"],
    ["VACUUM INTO 'x'", "alone"],
    ["ATTACH 'x' AS y", "alone"],
    ["DETACH y", "alone"],
    ["SAVEPOINT a", "savepoint"],
    ["RELEASE a", "savepoint"],
    ["ROLLBACK TO a", "savepoint"],
    ["rollback transaction to savepoint a", "savepoint"],
    ["ROLLBACK", "boundary"],
    ["BEGIN IMMEDIATE", "boundary"],
    ["COMMIT", "boundary"],
    ["END TRANSACTION", "boundary"]
  ]

  it.each(kinds)("%s is %s", (sql, kind) => {
    expect(inspectStatement(sql)).toMatchObject({ kind, single: true })
  })

  it.each([
    ["SELECT 1; SELECT 2", false],
    ["SELECT 1;", true],
    ["SELECT ';'", true],
    [trigger, true],
    [`${trigger};`, true],
    [`${trigger}; SELECT 1`, false],
    ["", false],
    [" ; -- nothing", false]
  ])("%s holds one statement: %s", (sql, single) => {
    expect(inspectStatement(sql).single).toBe(single)
  })

  it.each([
    "PRAGMA foreign_keys = off",
    "/* a */ pragma /* b */ main . foreign_keys -- c\n = 0",
    "PRAGMA foreign_keys(0);",
    "; PRAGMA foreign_keys = 0",
    'PRAGMA "foreign_keys" = 0',
    "EXPLAIN PRAGMA query_only = off",
    "EXPLAIN QUERY PLAN PRAGMA query_only = off",
    "PRAGMA journal_mode = delete",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA writable_schema = on",
    "ATTACH 'x' AS y",
    "EXPLAIN ATTACH 'x' AS y",
    "DETACH y",
    "CREATE TEMP TABLE t (a)",
    "create temporary trigger t AFTER INSERT ON u BEGIN SELECT 1; END",
    "CREATE TABLE IF NOT EXISTS temp.t (a)",
    'CREATE VIEW "temp".t AS SELECT 1'
  ])("%s is rejected on a shared connection", (sql) => {
    expect(inspectStatement(sql).refusal).toMatch(/refused/)
  })

  it.each([
    "PRAGMA foreign_keys",
    "PRAGMA main.journal_mode;",
    "PRAGMA table_info(t)",
    "PRAGMA foreign_key_check('t')",
    "PRAGMA integrity_check(100)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA analysis_limit = 400",
    "PRAGMA optimize",
    "PRAGMA user_version = 3",
    "VACUUM",
    "CREATE TABLE temperature (a)",
    "CREATE TABLE t (temp TEXT)",
    "INSERT INTO t VALUES ('PRAGMA foreign_keys = off')",
    "SELECT * FROM pragma_foreign_keys"
  ])("%s is accepted", (sql) => {
    expect(inspectStatement(sql).refusal).toBeUndefined()
  })

  it.each([
    ["SELECT 1", 0],
    ["SELECT ?, ?", 2],
    ["SELECT '?', \"?\", `?`, [?] -- ?\n /* ? */, ?", 1],
    ["SELECT ?1, ?1", 1],
    ["SELECT ?2, ?", 3]
  ])("%s takes %s parameters", (sql, placeholders) => {
    expect(inspectStatement(sql).placeholders).toBe(placeholders)
  })
})
