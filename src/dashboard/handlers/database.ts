/**
 * The handlers of the database. Reads of the whole database run once for all pages, and their results are kept for a
 * while.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, DateTime, Duration, Effect, Option } from "effect"
import { ControlPlaneEvents } from "../../events/ControlPlaneEvents.js"
import * as Maintenance from "../../Maintenance.js"
import * as Migrations from "../../Migrations.js"
import * as Retention from "../../Retention.js"
import { SecretVault } from "../../secret/SecretVault.js"
import {
  DashboardApi,
  type Findings,
  type Keys,
  type Migration,
  type RetentionPreview,
  type Tables
} from "../api/index.js"
import * as Backups from "../backups.js"
import { type Paced, paced } from "../paced.js"
import { purposes } from "../purposes.js"
import { asOperator, given } from "./running.js"

const isoNow = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())

const tablesOf = Effect.gen(function* () {
  const stats = yield* Maintenance.stats
  const sizes = yield* Maintenance.tableSizes
  const retentions: Readonly<Record<string, Retention.DefaultRetention>> = Retention.defaults
  const tables: Tables = given({
    engineVersion: stats.engineVersion,
    fileBytes: Option.getOrUndefined(stats.fileBytes),
    walBytes: Option.getOrUndefined(stats.walBytes),
    reusableBytes: Option.getOrUndefined(stats.reusableBytes),
    countedAt: yield* isoNow,
    tables: Object.entries(stats.tables).map(([name, rows]) => {
      const retention = retentions[name]
      return given({
        name,
        rows,
        bytes: sizes[name],
        purpose: purposes.get(name),
        retention:
          retention === undefined
            ? Retention.kept[name]
            : `${Duration.toDays(retention.keepFor)} days after ${retention.since}`
      })
    })
  })
  return tables
})

const migrationsOf = Effect.map(Migrations.status, ({ applied, mismatched, pending, unknown }) => {
  const inDatabase = (state: "applied" | "mismatched" | "unknown") => (one: Migrations.AppliedMigration) => ({
    id: one.id,
    name: one.name,
    state,
    appliedAt: DateTime.formatIso(one.appliedAt)
  })
  const all: ReadonlyArray<Migration> = [
    ...applied.map(inDatabase("applied")),
    ...mismatched.map(inDatabase("mismatched")),
    ...pending.map(({ id, name }) => ({ id, name, state: "pending" as const })),
    ...unknown.map(inDatabase("unknown"))
  ]
  return all.toSorted((one, other) => one.id - other.id)
})

const retentionOf = Effect.gen(function* () {
  const removable: Readonly<Record<string, number>> = yield* Retention.purge({ dryRun: true })
  const preview: RetentionPreview = {
    countedAt: yield* isoNow,
    tables: Object.entries(Retention.defaults).map(([table, { keepFor, since }]) => ({
      table,
      keepForDays: Duration.toDays(keepFor),
      since,
      removable: removable[table] ?? 0
    })),
    kept: Object.entries(Retention.kept).map(([table, reason]) => ({ table, reason }))
  }
  return preview
})

const keysOf = Effect.gen(function* () {
  const status = yield* Effect.flatMap(SecretVault, ({ keyStatus }) => keyStatus)
  const time = (at: Option.Option<DateTime.Utc>) => Option.getOrUndefined(Option.map(at, DateTime.formatIso))
  const sum = (keys: typeof status) => keys.reduce((total, { versions }) => total + versions, 0)
  const keys: Keys = {
    keys: status.map(({ held, key, versions }) =>
      given({
        id: key.id,
        status: key.status,
        versions,
        held,
        createdAt: DateTime.formatIso(key.createdAt),
        activatedAt: time(key.activatedAt),
        retiredAt: time(key.retiredAt)
      })
    ),
    rotation: { done: sum(status.filter(({ key }) => key.status === "active")), total: sum(status) }
  }
  return keys
})

const findingsOf = Effect.gen(function* () {
  const findings = yield* Maintenance.doctor
  const result: Findings = {
    checkedAt: yield* isoNow,
    ok: findings.every(({ outcome }) => outcome !== "problem"),
    findings
  }
  return result
})

const valueOf = <A>({ value }: Paced<A>): A => value

export const databaseLive = HttpApiBuilder.group(DashboardApi, "database", (handlers) =>
  Effect.sync(() => {
    const tables = paced(tablesOf, "10 seconds")
    const retention = paced(retentionOf, "1 minute")
    const doctor = paced(findingsOf, "1 minute")
    return handlers
      .handle("tables", () => Effect.map(tables, valueOf))
      .handle("diagrams", () => Maintenance.diagrams)
      .handle("migrations", () => Effect.catchTag(migrationsOf, "InvalidMigrations", Effect.die))
      .handle("retention", () => Effect.map(retention, valueOf))
      .handle("backups", () => Backups.list)
      .handle("verifyBackup", ({ path: { name } }) => Backups.verify(name))
      .handle("keys", () => keysOf)
      .handle("doctor", () => Effect.map(doctor, valueOf))
  })
)

export const databaseActionsLive = HttpApiBuilder.group(DashboardApi, "databaseActions", (handlers) =>
  handlers.handle("backup", () =>
    Effect.gen(function* () {
      const journal = yield* ControlPlaneEvents
      const made = yield* Backups.make
      yield* asOperator(journal.recordBackup({ file: made.name, bytes: made.bytes }))
      return made
    })
  )
)
