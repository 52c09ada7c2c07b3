/**
 * What `sealant-db doctor` looks at, a finding each.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option } from "effect"
import { statSync } from "node:fs"
import { statfs } from "node:fs/promises"
import { dirname } from "node:path"
import * as Maintenance from "../Maintenance.js"
import * as Migrations from "../Migrations.js"
import { readLedger } from "../migration/ledger.js"
import { operations } from "../sql/operations.js"
import { schemaDrift } from "../operations/drift.js"
import { placeOf, readerOf } from "../operations/reader.js"
import { findStuck, type Stuck } from "../operations/stuck.js"
import { malformedTexts } from "../operations/texts.js"
import { bytes, counted, span } from "./output.js"

/** What one look has shown. */
export interface Finding {
  readonly check: string
  /** `skipped`: this database does not tell. */
  readonly outcome: "ok" | "problem" | "skipped"
  /** What was found, in one line; of a problem with the way out. */
  readonly text: string
}

const ok = (check: string, text: string): Finding => ({ check, outcome: "ok", text })
const skipped = (check: string, text: string): Finding => ({ check, outcome: "skipped", text })
const problem = (check: string, text: string, wayOut: string): Finding => ({ check, outcome: "problem", text: `${text}; ${wayOut}` })

/** A look that cannot be taken is a problem of its own. */
const orProblem = (check: string) => <E extends { readonly message: string }, R>(look: Effect.Effect<ReadonlyArray<Finding>, E, R>) =>
  Effect.catchAll(look, (error) => Effect.succeed([problem(check, error.message, "see docs/operations.md, Findings")]))

/** What no program of ours can read, and which would end this one. */
const texts = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  if (placeOf(sql).kind === "server") return [skipped("text", "a libSQL server keeps it")]
  const malformed = yield* malformedTexts(yield* readerOf(sql))
  if (malformed.length === 0) return [ok("text", "all of it is UTF-8")]
  return malformed.map(({ column, rows, table }) =>
    problem(
      "text",
      `${counted(rows, "row")} of ${table} ${rows === 1 ? "has" : "have"} text in ${column} that is not UTF-8, which ends every program that reads it`,
      "stop all programs, and restore the last good backup, or overwrite it by the sqlite3 shell"
    ))
}).pipe(
  Effect.scoped,
  // Of a file that is damaged elsewhere, the other looks tell.
  Effect.catchAll(() => Effect.succeed([skipped("text", "the engine cannot read all of it")]))
)

const engine = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly version: string }>`SELECT sqlite_version() AS version`
  return [ok("engine", `SQLite ${row?.version ?? "of an unknown version"}`)]
})

const { read } = operations("Doctor", "Schema")

const schema = Effect.gen(function*() {
  const status = yield* Migrations.status
  const difference = Migrations.differenceOf(status)
  if (difference !== undefined) return [{ check: "schema", outcome: "problem", text: difference.message } as const]
  const sql = yield* SqlClient.SqlClient
  const { altered, foreign, missing } = yield* schemaDrift(yield* readerOf(sql), yield* readLedger)
  return [
    ...foreign.map(({ problem: found, remedy }) => problem("schema", found, remedy)),
    ...missing.map((object) => problem("schema", `the ${object} is missing`, "restore a backup, or run its statement from the migrations again")),
    ...altered.map((object) => problem("schema", `the ${object} is not as the migrations made it`, "restore a backup, or make it anew")),
    ...(missing.length + altered.length + foreign.length === 0 ? [ok("schema", `${status.applied.at(-1)?.name ?? ""}, as the migrations made it`)] : [])
  ]
}).pipe(Effect.scoped, read("schemaDrift"))

const integrity = Effect.gen(function*() {
  const { damage, danglingReferences, ok: good } = yield* Maintenance.integrityCheck
  if (good) return [ok("integrity", "each page, index and reference is good")]
  const restoring = "stop all programs, and restore the last good backup"
  return [
    ...damage.slice(0, 10).map((line) => problem("integrity", line, restoring)),
    ...danglingReferences.map(({ references, rows, table }) =>
      problem(
        "references",
        `${counted(rows, "row")} of ${table} ${rows === 1 ? "refers" : "refer"} to rows of ${references} that are not there`,
        `put those back, or delete what \`PRAGMA foreign_key_check(${table})\` lists`
      ))
  ]
}).pipe(Effect.catchTag("MaintenanceRefused", ({ message }) => Effect.succeed([skipped("integrity", message)])))

const modeOf = (path: string): Option.Option<number> => {
  const file = statSync(path, { throwIfNoEntry: false })
  return Option.map(Option.fromNullable(file), ({ mode }) => mode & 0o777)
}

const permissions = (path: string) =>
  Effect.sync(() => {
    const open = [path, `${path}-wal`, `${path}-shm`].flatMap((file) =>
      Option.toArray(modeOf(file)).filter((mode) => (mode & 0o077) !== 0).map((mode) =>
        problem("permissions", `${file} is open to others (${mode.toString(8)})`, `chmod 600 ${file}`)))
    const directory = dirname(path)
    const written = Option.toArray(modeOf(directory)).filter((mode) => (mode & 0o022) !== 0).map((mode) =>
      problem("permissions", `${directory} can be written by others (${mode.toString(8)})`, `chmod go-w ${directory}`))
    return open.length + written.length === 0 ? [ok("permissions", "for the owner only")] : [...open, ...written]
  })

const largestLog = 64_000_000

const space = (path: string) =>
  Effect.gen(function*() {
    const size = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0
    const log = size(`${path}-wal`)
    const needed = size(path) + log
    const { bavail, bsize } = yield* Effect.tryPromise(() => statfs(path))
    const free = bavail * bsize
    return [
      log <= largestLog
        ? ok("log", `the write-ahead log has ${bytes(log)}`)
        : problem(
          "log",
          `the write-ahead log has grown to ${bytes(log)}`,
          "somebody reads without end, or a backup runs: end it; the log shrinks when the last program closes the database"
        ),
      free >= needed
        ? ok("disk", `${bytes(free)} are free`)
        : problem("disk", `${bytes(free)} are free, and a backup may take ${bytes(needed)}`, "make room, or write backups to another disk")
    ]
  })

const files = Effect.gen(function*() {
  const place = placeOf(yield* SqlClient.SqlClient)
  if (place.kind !== "file") return [skipped("files", "a libSQL server keeps them")]
  return [...(yield* permissions(place.path)), ...(yield* orProblem("disk")(space(place.path)))]
})

const stuckText = (what: string, [one, many]: readonly [string, string], { count, longest }: Stuck) =>
  `${counted(count, one, many)} ${what} for up to ${span(longest)}`

const stuck = Effect.gen(function*() {
  const {
    consumers,
    dueDeliveries,
    dueJobs,
    expiredDeliveries,
    expiredJobs,
    leftAttempts,
    leftExecutions,
    leftRuntimes,
    leftSandboxes,
    ownerlessWorkflows,
    unsettledJobs
  } = yield* findStuck
  // Each check is named after what it counts.
  const found = (check: string, what: string, one: string, wayOut: string, stuck: Option.Option<Stuck>) =>
    Option.toArray(stuck).map((found) => problem(check, stuckText(what, [one, check], found), wayOut))
  const jobs = [
    ...found("jobs", "due", "job", "start a worker, or look at `sealant-db jobs list --status queued`", dueJobs),
    ...found("jobs", "under an expired lease", "job", "start a worker, which takes them over", expiredJobs),
    ...found("jobs", "ended without their attempt", "job", "start a worker, which ends the attempts, too", unsettledJobs)
  ]
  const skipped = "its log lists the rows that it skips"
  const supervise = `start a worker, which supervises them; ${skipped}`
  const superviseWorkflows = `start a worker that provides IssueWorkflowLifecycle, or run Supervisor; ${skipped}`
  const left = [
    ...found("attempts", "waiting without a job, or asked to stop,", "attempt", supervise, leftAttempts),
    ...found("runtimes", "pending after their attempt has ended", "runtime", supervise, leftRuntimes),
    ...found("sandboxes", "waiting without an attempt", "sandbox", supervise, leftSandboxes),
    ...found("executions", "without a sandbox or an agent", "execution", superviseWorkflows, leftExecutions)
  ]
  // No problem by itself: a workflow may be created without an owner.
  const ownerless = ownerlessWorkflows.length === 0
    ? []
    : [ok("workflows", `active without an owner: ${ownerlessWorkflows.join(", ")}; cancel those of deleted users, which block their issues`)]
  const deliveries = [
    ...found("deliveries", "due", "delivery", "start what works on the webhook inbox", dueDeliveries),
    ...found("deliveries", "under an expired lease", "delivery", "start what works on the webhook inbox", expiredDeliveries)
  ]
  const readers = consumers.map(({ behind, longest, name }) =>
    problem(
      "consumers",
      `${name} is ${counted(behind, "event")} behind, and has acknowledged none for ${span(longest)}`,
      "start it; or, if it is gone for good, delete its row from control_plane_event_consumers, so that old events can be purged"
    ))
  return [
    ...(jobs.length > 0 ? jobs : [ok("jobs", "none waits for long")]),
    ...(left.length > 0 ? left : [ok("supervision", "nothing is left behind")]),
    ...ownerless,
    ...(deliveries.length > 0 ? deliveries : [ok("deliveries", "none waits for long")]),
    ...(readers.length > 0 ? readers : [ok("consumers", "all read the journal")])
  ]
})

/** All looks at a database that could be opened, one after the other. */
export const examine = Effect.gen(function*() {
  const text = yield* texts
  if (text.some(({ outcome }) => outcome === "problem")) return [...text, skipped("engine", "nothing else is looked at until then")]
  const current = Migrations.differenceOf(yield* Effect.orElseSucceed(Migrations.status, () => ({ applied: [], pending: [], mismatched: [], unknown: [] })))
  const findings = yield* Effect.all([
    orProblem("engine")(engine),
    orProblem("schema")(schema),
    orProblem("integrity")(integrity),
    orProblem("files")(files),
    // Of another schema it can not be asked.
    current === undefined ? orProblem("jobs")(stuck) : Effect.succeed([skipped("jobs", "the schema is not that of this program")])
  ])
  return [ok("open", "the database can be opened and read"), ...text, ...findings.flat()]
})
