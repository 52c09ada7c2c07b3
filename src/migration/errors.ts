/**
 * The errors of migrations. Public: `Migrations` exports them.
 */
// The import avoids the index of the package, which would load all of it and delay the start of each process by a
// second.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/**
 * The record of migrations cannot be used. `issues` contains each problem, with the name of its migration. Nothing
 * was applied. HTTP 503.
 */
export class InvalidMigrations extends Schema.TaggedError<InvalidMigrations>("@sealant/db/InvalidMigrations")(
  "InvalidMigrations",
  { issues: Schema.Array(Schema.String) },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `the migrations cannot be used: ${this.issues.join("; ")}`
  }
}

/**
 * A statement of a migration failed; `statement` counts from 1. Nothing was applied, including the migrations before
 * it in the same call. HTTP 503.
 */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>("@sealant/db/MigrationFailed")(
  "MigrationFailed",
  { migration: Schema.String, statement: Schema.Int, reason: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `migration ${this.migration} failed at statement ${this.statement} (${this.reason}); nothing was applied`
  }
}

/**
 * The database was never migrated, but contains an object that the first migrations create. It belongs to another
 * program, or to the predecessor. `object` is the type and name of that object. Nothing was applied. HTTP 503.
 */
export class DatabaseNotEmpty extends Schema.TaggedError<DatabaseNotEmpty>("@sealant/db/DatabaseNotEmpty")(
  "DatabaseNotEmpty",
  { object: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return (
      `the database was not made by these migrations and already holds the ${this.object}: use a new file, ` +
      "and `sealant-db import-legacy PATH` to copy a predecessor's database into it"
    )
  }
}

/**
 * The schema of the database differs from that of this program. `migrations` contains the names of the migrations
 * that differ. `database` is the path of a database file, if it is one.
 *
 * - `older`: migrations are pending.
 * - `altered`: an applied migration has another text or name, or a migration before the last applied one is missing.
 * - `newer`: the database has migrations that this program does not know.
 *
 * HTTP 503.
 */
export class SchemaNotCurrent extends Schema.TaggedError<SchemaNotCurrent>("@sealant/db/SchemaNotCurrent")(
  "SchemaNotCurrent",
  {
    reason: Schema.Literal("older", "altered", "newer"),
    migrations: Schema.Array(Schema.String),
    database: Schema.optionalWith(Schema.String, { exact: true })
  },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    const [first = "migrations", ...others] = this.migrations
    const names = others.length < 3 ? [first, ...others].join(", ") : `${first} and ${others.length} more`
    const database = this.database === undefined ? "the database" : `the database ${this.database}`
    switch (this.reason) {
      case "older":
        return `${database} is older than the program and lacks ${names}: run \`sealant-db migrate\``
      case "altered":
        return `${names}: differs from ${database}; put the released text back, and the change into a new migration`
      case "newer":
        return `the program is older than ${database}, which has ${names}: deploy a version of the program that knows them`
    }
  }
}
