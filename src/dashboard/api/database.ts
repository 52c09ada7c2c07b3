/**
 * The database: tables, diagrams, migrations, retention, backups, keys and findings.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { NotFound } from "../../Errors.js"
import { Nothing, Refused, Time } from "./common.js"
import { paths } from "./paths.js"

/** A table. */
export const Table = Schema.Struct({
  name: Schema.String,
  rows: Schema.Number,
  /** The bytes of its pages and of those of its indexes. Absent on a server and in memory. */
  bytes: Schema.optional(Schema.Number),
  /** The meaning of its rows. Absent for tables of other programs. */
  purpose: Schema.optional(Schema.String),
  /** The retention of its rows: "30 days after they expired". */
  retention: Schema.optional(Schema.String)
})

/** All tables, and the sizes of the database. */
export const Tables = Schema.Struct({
  engineVersion: Schema.String,
  fileBytes: Schema.optional(Schema.Number),
  walBytes: Schema.optional(Schema.Number),
  /** Bytes of free pages, which later rows use. */
  reusableBytes: Schema.optional(Schema.Number),
  tables: Schema.Array(Table),
  /** The time of the count. Counts of large databases are cached for some seconds. */
  countedAt: Time
})
export type Tables = typeof Tables.Type

/** A diagram in the notation of Mermaid. */
export const Diagram = Schema.Struct({
  /** The part of the schema, such as `sandboxes`. */
  name: Schema.String,
  tables: Schema.Array(Schema.String),
  mermaid: Schema.String
})
export type Diagram = typeof Diagram.Type

/** A migration of the program or of the database, in the order of the ids. */
export const Migration = Schema.Struct({
  id: Schema.Number,
  /** The name of a migration, such as `0001_auth`. */
  name: Schema.String,
  /** `mismatched`: the text in the database differs. `unknown`: a newer program applied it. */
  state: Schema.Literal("applied", "pending", "mismatched", "unknown"),
  appliedAt: Schema.optional(Time)
})
export type Migration = typeof Migration.Type

/** The rows of a table that a purge with the default retention would remove now. */
export const RetentionPreview = Schema.Struct({
  countedAt: Time,
  tables: Schema.Array(
    Schema.Struct({ table: Schema.String, keepForDays: Schema.Number, since: Schema.String, removable: Schema.Number })
  ),
  kept: Schema.Array(Schema.Struct({ table: Schema.String, reason: Schema.String }))
})
export type RetentionPreview = typeof RetentionPreview.Type

/** A backup in the directory of backups. */
export const BackupFile = Schema.Struct({ name: Schema.String, bytes: Schema.Number, madeAt: Time })
export type BackupFile = typeof BackupFile.Type

/** The backups, newest first. */
export const Backups = Schema.Struct({
  /** The directory. Absent if the database has none: a server, or a database in memory. */
  directory: Schema.optional(Schema.String),
  items: Schema.Array(BackupFile)
})
export type Backups = typeof Backups.Type

/** The result of the verification of a backup: each page, index and reference, its migrations, its rows. */
export const BackupVerification = Schema.Struct({
  name: Schema.String,
  ok: Schema.Boolean,
  /** The problem, in one line. Absent if `restore` accepts the backup. */
  problem: Schema.optional(Schema.String),
  migration: Schema.optional(Schema.String),
  tables: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Number }))
})
export type BackupVerification = typeof BackupVerification.Type

/** The encryption keys by name, without key material. */
export const Keys = Schema.Struct({
  keys: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      status: Schema.Literal("active", "inactive", "retired"),
      /** The number of secret versions and account tokens that are encrypted with the key. */
      versions: Schema.Number,
      /** Whether this process holds the key. */
      held: Schema.Boolean,
      createdAt: Time,
      activatedAt: Schema.optional(Time),
      retiredAt: Schema.optional(Time)
    })
  ),
  /** The progress of a rotation: values under the active key, of all values. */
  rotation: Schema.Struct({ done: Schema.Number, total: Schema.Number })
})
export type Keys = typeof Keys.Type

/** The findings of `sealant-db doctor`. A check reads every page, so the result is cached for a minute. */
export const Findings = Schema.Struct({
  checkedAt: Time,
  ok: Schema.Boolean,
  findings: Schema.Array(
    Schema.Struct({
      check: Schema.String,
      outcome: Schema.Literal("ok", "problem", "skipped"),
      /** One line, for a problem with its remedy. */
      text: Schema.String
    })
  )
})
export type Findings = typeof Findings.Type

/** Reads of the database. */
export const database = HttpApiGroup.make("database")
  .add(HttpApiEndpoint.get("tables", paths.database.tables[1]).addSuccess(Tables))
  .add(HttpApiEndpoint.get("diagrams", paths.database.diagrams[1]).addSuccess(Schema.Array(Diagram)))
  .add(HttpApiEndpoint.get("migrations", paths.database.migrations[1]).addSuccess(Schema.Array(Migration)))
  .add(HttpApiEndpoint.get("retention", paths.database.retention[1]).addSuccess(RetentionPreview))
  .add(HttpApiEndpoint.get("backups", paths.database.backups[1]).addSuccess(Backups))
  .add(
    HttpApiEndpoint.get("verifyBackup", paths.database.verifyBackup[1])
      .setPath(Schema.Struct({ name: Schema.String }))
      .addSuccess(BackupVerification)
      .addError(NotFound)
      .addError(Refused)
  )
  .add(HttpApiEndpoint.get("keys", paths.database.keys[1]).addSuccess(Keys))
  .add(HttpApiEndpoint.get("doctor", paths.database.doctor[1]).addSuccess(Findings))

/** Actions on the database. A backup appears under a name that contains its time. */
export const databaseActions = HttpApiGroup.make("databaseActions").add(
  HttpApiEndpoint.post("backup", paths.databaseActions.backup[1])
    .setPayload(Nothing)
    .addSuccess(BackupFile)
    .addError(Refused)
)
