/**
 * The comparison of tables, indexes, triggers and views with those that the migrations create. The ledger does not
 * record changes that a person makes with another tool.
 *
 * Other tables, and columns that are added to tables of this package, are accepted: plugins of Better Auth need both.
 * A trigger on a table of this package is a problem: it reads every write and can stop it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql"
import { Effect } from "effect"
import { migrations as ownMigrations } from "../../migrations/index.js"
import { layerMemory } from "../Database.js"
import type { PersistenceError } from "../Errors.js"
import type { LedgerRow } from "../migration/ledger.js"
import { nameOf } from "../migration/record.js"
import type { Row } from "../libsql/prepared.js"
import * as Migrations from "../Migrations.js"
import type { Reader } from "./reader.js"
import { columnNames, indexedColumns, indexEvaluates, isSame, isSameTable, tokensOf } from "./schemaText.js"

interface SchemaObject {
  readonly type: string
  readonly name: string
  /** The table of the object; for a table, its own name. */
  readonly table: string
  readonly sql: string
}

/** An object on a table of this package that no migration created. */
export interface ForeignObject {
  readonly type: string
  readonly name: string
  readonly table: string
  /** Its effect, in one line. */
  readonly problem: string
  readonly remedy: string
}

/** Differences between the schema and that of the migrations. */
export interface SchemaDrift {
  /** Missing objects, as `index session_expires_at_idx`. */
  readonly missing: ReadonlyArray<string>
  /** Objects with another definition. */
  readonly altered: ReadonlyArray<string>
  readonly foreign: ReadonlyArray<ForeignObject>
}

// The indexes that the engine makes for UNIQUE and PRIMARY KEY have no text.
const objectsText = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"

const objectOf = (row: Row): SchemaObject => ({
  type: String(row["type"]),
  name: String(row["name"]),
  table: String(row["tbl_name"]).toLowerCase(),
  sql: String(row["sql"])
})

/** Returns the objects that the migrations of a ledger create, from a new database in memory. */
const expectedObjects = (
  ledger: ReadonlyArray<LedgerRow>
): Effect.Effect<ReadonlyArray<SchemaObject>, SqlError.SqlError | PersistenceError> => {
  const applied = new Set(ledger.map(({ id, label }) => nameOf(id, label)))
  const record = Object.fromEntries(Object.entries(ownMigrations).filter(([name]) => applied.has(name)))
  return Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Migrations.make(record).run.pipe(
      Effect.catchAll((error) => (error._tag === "PersistenceError" ? Effect.fail(error) : Effect.die(error)))
    )
    return (yield* sql.unsafe<Row>(objectsText)).map(objectOf).filter(({ name }) => !name.startsWith("sqlite_"))
  }).pipe(Effect.provide(layerMemory))
}

/** Quotes a name from an untrusted file, for one line of output and for a statement. */
const shownName = (name: string) => (/^[A-Za-z_]\w{0,127}$/.test(name) ? name : JSON.stringify(name.slice(0, 128)))

const foreignOf = (object: SchemaObject, tables: ReadonlyMap<string, SchemaObject>): ReadonlyArray<ForeignObject> => {
  const table = tables.get(object.table)
  if (table === undefined) return []
  const { name, type } = object
  const found = (problem: string) => [
    {
      type,
      name,
      table: object.table,
      problem: `${table.name} has ${problem}: ${shownName(name)}`,
      remedy: `find out who added it, and remove it: DROP ${type.toUpperCase()} ${shownName(name)}`
    }
  ]
  if (type === "trigger") return found("a trigger that no migration made, which sees and can stop every write")
  if (type === "index") {
    if (indexEvaluates(object.sql))
      return found("an index with an expression or a condition that no migration made, which can stop writes")
    const own = columnNames(table.sql)
    // Of the other indexes only a unique one can refuse writes. An index on a column of a plugin concerns the plugin.
    return tokensOf(object.sql)[1] !== "unique" || indexedColumns(object.sql).some((column) => !own.has(column))
      ? []
      : found("a unique index that no migration made, which can stop writes")
  }
  return type === table.type ? [] : found(`a ${type} in its place that no migration made`)
}

/** Compares the schema of a reader's database with that of the migrations in its ledger. */
export const schemaDrift = (
  reader: Reader,
  ledger: ReadonlyArray<LedgerRow>
): Effect.Effect<SchemaDrift, SqlError.SqlError | PersistenceError> =>
  Effect.gen(function* () {
    const present = (yield* reader.all(objectsText)).map(objectOf)
    const expected = yield* expectedObjects(ledger)
    const keyOf = ({ name, type }: SchemaObject) => `${type} ${name}`
    const found = new Map(present.map((object) => [keyOf(object), object]))
    const known = new Set(expected.map(keyOf))
    const tables = new Map(
      expected.filter(({ type }) => type === "table" || type === "view").map((object) => [object.name, object])
    )
    const isAltered = (object: SchemaObject) => {
      const other = found.get(keyOf(object))
      return (
        other !== undefined &&
        !(object.type === "table" ? isSameTable(other.sql, object.sql) : isSame(other.sql, object.sql))
      )
    }
    return {
      missing: expected.filter((object) => !found.has(keyOf(object))).map(keyOf),
      altered: expected.filter(isAltered).map(keyOf),
      foreign: present.filter((object) => !known.has(keyOf(object))).flatMap((object) => foreignOf(object, tables))
    }
  })

/** Lists the objects that act on writes and that no migration created, one line each. A restore refuses them. */
export const hiddenActions = ({ altered, foreign }: SchemaDrift): ReadonlyArray<string> => [
  ...foreign.map(({ problem }) => problem),
  ...altered
    .filter((object) => object.startsWith("trigger "))
    .map((object) => `the ${object} is not as the migrations made it`)
]
