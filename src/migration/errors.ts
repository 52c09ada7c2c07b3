/**
 * What keeps a database from being migrated, or a program from using it. Public: `Migrations` exports them.
 */
// Not from the package's index, which loads all of it: a second of start for each process.
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** The record of migrations cannot be used; `issues` says what is wrong with which. Nothing was applied. HTTP 503. */
export class InvalidMigrations extends Schema.TaggedError<InvalidMigrations>()(
  "InvalidMigrations",
  { issues: Schema.Array(Schema.String) },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `the migrations cannot be used: ${this.issues.join("; ")}`
  }
}

/**
 * A statement of a migration failed; `statement` counts from 1. Nothing was applied, also none of the migrations before
 * it that ran with it. HTTP 503.
 */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()(
  "MigrationFailed",
  { migration: Schema.String, statement: Schema.Int, reason: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `migration ${this.migration} failed at statement ${this.statement} (${this.reason}); nothing was applied`
  }
}

/**
 * The database was never migrated, and yet holds what the first migrations make: it is another program's, or the
 * predecessor's. `object` names what is in the way. Nothing was applied. HTTP 503.
 */
export class DatabaseNotEmpty extends Schema.TaggedError<DatabaseNotEmpty>()(
  "DatabaseNotEmpty",
  { object: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    return `the database was not made by these migrations and already holds the ${this.object}: use a new file, ` +
      "and `sealant-db import-legacy PATH` to copy a predecessor's database into it"
  }
}

/**
 * The schema of the database is not the one of this program; `migrations` names where they differ.
 *
 * - `older`: migrations are pending.
 * - `altered`: a migration is not what was applied under its number, or one before the last was left out.
 * - `newer`: the database has migrations that this program does not know.
 *
 * HTTP 503.
 */
export class SchemaNotCurrent extends Schema.TaggedError<SchemaNotCurrent>()(
  "SchemaNotCurrent",
  { reason: Schema.Literal("older", "altered", "newer"), migrations: Schema.Array(Schema.String) },
  HttpApiSchema.annotations({ status: 503 })
) {
  override get message() {
    const [first = "migrations", ...others] = this.migrations
    const names = others.length < 3 ? [first, ...others].join(", ") : `${first} and ${others.length} more`
    switch (this.reason) {
      case "older":
        return `the database is older than the program and lacks ${names}: run \`sealant-db migrate\``
      case "altered":
        return `${names}: not what was applied to the database; put the released text back, and the change into a new migration`
      case "newer":
        return `the program is older than the database, which has ${names}: deploy a version of the program that knows them`
    }
  }
}
