/**
 * The checks of `sealant-db doctor`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Option, Schema } from "effect"
import { statSync } from "node:fs"
import { statfs } from "node:fs/promises"
import { dirname } from "node:path"
import * as Migrations from "../Migrations.js"
import { readLedger } from "../migration/ledger.js"
import { makeQueueCounters } from "../build-job/queueCounters.js"
import { makeInboxFlows } from "../github/inboxFlows.js"
import { KeyRing } from "../secret/KeyRing.js"
import { tokenColumns, tokenPrefix } from "../secret/tokenFormat.js"
import { operations } from "../sql/operations.js"
import { checkIntegrity } from "./integrity.js"
import { schemaDrift } from "./drift.js"
import { placeOf, readerOf } from "./reader.js"
import { findStuck, type Stuck } from "./stuck.js"
import { malformedTexts } from "./texts.js"
import { bytes, counted, span } from "./words.js"

/** The result of a check. */
export const Finding = Schema.Struct({
  check: Schema.String,
  /** `skipped`: the check is not possible on this database. */
  outcome: Schema.Literal("ok", "problem", "skipped"),
  /** The finding in one line; for a problem, with its remedy. */
  text: Schema.String
})
export interface Finding extends Schema.Schema.Type<typeof Finding> {}

const ok = (check: string, text: string): Finding => ({ check, outcome: "ok", text })
const skipped = (check: string, text: string): Finding => ({ check, outcome: "skipped", text })
const problem = (check: string, text: string, remedy: string): Finding => ({
  check,
  outcome: "problem",
  text: `${text}; ${remedy}`
})

/** Converts the failure of a check to a problem. */
const orProblem =
  (check: string) =>
  <E extends { readonly message: string }, R>(findings: Effect.Effect<ReadonlyArray<Finding>, E, R>) =>
    Effect.catchAll(findings, (error) => Effect.succeed([problem(check, error.message, "see docs/doctor.md")]))

/** Compares the tables of the build queue with its jobs. */
const counters = Effect.gen(function* () {
  const count = yield* makeQueueCounters(yield* SqlClient.SqlClient).drift
  return count === 0
    ? [ok("queue", "the counters of the queue agree with its jobs")]
    : [
        problem(
          "queue",
          `the counters of ${counted(count, "owner")} differ from their jobs`,
          "start a worker, which repairs them, or run `sealant-db queue repair`"
        )
      ]
})

/** Compares the flows of the webhook inbox with its deliveries. */
const inbox = Effect.gen(function* () {
  const count = yield* makeInboxFlows(yield* SqlClient.SqlClient).drift
  return count === 0
    ? [ok("inbox", "the order of the webhook inbox agrees with its deliveries")]
    : [
        problem(
          "inbox",
          `the order of the webhook inbox differs from the deliveries of ${counted(count, "installation")}`,
          "start a worker, which repairs it"
        )
      ]
})

/** Finds text that is not UTF-8 before any other check reads it, because reading it ends the process. */
const texts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  if (placeOf(sql).kind === "server") return [skipped("text", "not possible on a libSQL server")]
  const malformed = yield* malformedTexts(yield* readerOf(sql))
  if (malformed.length === 0) return [ok("text", "all text is UTF-8")]
  return malformed.map(({ column, rows, table }) =>
    problem(
      "text",
      `${counted(rows, "row")} of ${table} ${rows === 1 ? "has" : "have"} text in ${column} that is not UTF-8, which ends every program that reads it`,
      "stop all programs, and restore the last good backup, or overwrite the text with the sqlite3 shell"
    )
  )
}).pipe(
  Effect.scoped,
  // The other checks report the damage.
  Effect.catchAll(() => Effect.succeed([skipped("text", "the engine cannot read all pages")]))
)

const engine = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly version: string }>`SELECT sqlite_version() AS version`
  return [ok("engine", `SQLite ${row?.version ?? "of an unknown version"}`)]
})

const { traced } = operations("Doctor", "Schema")

const schema = Effect.gen(function* () {
  const status = yield* Migrations.status
  const difference = Migrations.differenceOf(status)
  if (difference !== undefined) return [{ check: "schema", outcome: "problem", text: difference.message } as const]
  const sql = yield* SqlClient.SqlClient
  const { altered, foreign, missing } = yield* schemaDrift(yield* readerOf(sql), yield* readLedger)
  return [
    ...foreign.map(({ problem: found, remedy }) => problem("schema", found, remedy)),
    ...missing.map((object) =>
      problem("schema", `the ${object} is missing`, "restore a backup, or run its statement from the migrations again")
    ),
    ...altered.map((object) =>
      problem("schema", `the ${object} is not as the migrations made it`, "restore a backup, or recreate it")
    ),
    ...(missing.length + altered.length + foreign.length === 0
      ? [ok("schema", `${status.applied.at(-1)?.name ?? ""}, as the migrations made it`)]
      : [])
  ]
}).pipe(Effect.scoped, traced("schemaDrift"))

const integrity = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { damage, danglingReferences, ok: good } = yield* Effect.flatMap(readerOf(sql), checkIntegrity)
  if (good) return [ok("integrity", "all pages, indexes and references are intact")]
  const restoring = "stop all programs, and restore the last good backup"
  return [
    ...damage.slice(0, 10).map((line) => problem("integrity", line, restoring)),
    ...danglingReferences.map(({ references, rows, table }) =>
      problem(
        "references",
        `${counted(rows, "row")} of ${table} ${rows === 1 ? "refers" : "refer"} to rows of ${references} that do not exist`,
        `restore those rows, or delete the rows that \`PRAGMA foreign_key_check(${table})\` lists`
      )
    )
  ]
}).pipe(Effect.scoped, traced("integrityCheck"))

const modeOf = (path: string): Option.Option<number> => {
  const file = statSync(path, { throwIfNoEntry: false })
  return Option.map(Option.fromNullable(file), ({ mode }) => mode & 0o777)
}

const permissions = (path: string) =>
  Effect.sync(() => {
    const open = [path, `${path}-wal`, `${path}-shm`].flatMap((file) =>
      Option.toArray(modeOf(file))
        .filter((mode) => (mode & 0o077) !== 0)
        .map((mode) => problem("permissions", `${file} is open to others (${mode.toString(8)})`, `chmod 600 ${file}`))
    )
    const directory = dirname(path)
    const written = Option.toArray(modeOf(directory))
      .filter((mode) => (mode & 0o022) !== 0)
      .map((mode) =>
        problem("permissions", `${directory} can be written by others (${mode.toString(8)})`, `chmod go-w ${directory}`)
      )
    return open.length + written.length === 0 ? [ok("permissions", "only the owner has access")] : [...open, ...written]
  })

const maxLogBytes = 64_000_000

const space = (path: string) =>
  Effect.gen(function* () {
    const size = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0
    const log = size(`${path}-wal`)
    const needed = size(path) + log
    const { bavail, bsize } = yield* Effect.tryPromise(() => statfs(path))
    const free = bavail * bsize
    return [
      log <= maxLogBytes
        ? ok("log", `the write-ahead log has ${bytes(log)}`)
        : problem(
            "log",
            `the write-ahead log has grown to ${bytes(log)}`,
            "end the long read or backup that keeps it; then call `Maintenance.checkpoint`, or close the database in a program that has written to it"
          ),
      free >= needed
        ? ok("disk", `${bytes(free)} are free`)
        : problem(
            "disk",
            `${bytes(free)} are free, and a backup may take ${bytes(needed)}`,
            "free disk space, or write backups to another disk"
          )
    ]
  })

const files = Effect.gen(function* () {
  const place = placeOf(yield* SqlClient.SqlClient)
  if (place.kind !== "file") return [skipped("files", "not possible on a libSQL server")]
  return [...(yield* permissions(place.path)), ...(yield* orProblem("disk")(space(place.path)))]
})

const stuckText = (state: string, [one, many]: readonly [string, string], { count, longest }: Stuck) =>
  `${counted(count, one, many)} ${state} for up to ${span(longest)}`

const stuck = Effect.gen(function* () {
  const {
    consumers,
    disagreeingSandboxes,
    dueDeliveries,
    dueJobs,
    dueTeardowns,
    expiredDeliveries,
    expiredJobs,
    expiredSandboxes,
    expiredTeardowns,
    failedTeardowns,
    idleSandboxes,
    leftAttempts,
    leftExecutions,
    leftRuntimes,
    leftSandboxes,
    leftTeardowns,
    ownerlessWorkflows,
    unsettledJobs
  } = yield* findStuck
  // The name of a check is the plural of its rows.
  const found = (check: string, state: string, one: string, remedy: string, stuck: Option.Option<Stuck>) =>
    Option.toArray(stuck).map((found) => problem(check, stuckText(state, [one, check], found), remedy))
  const jobs = [
    ...found("jobs", "due", "job", "start a worker, or read `sealant-db jobs list --status queued`", dueJobs),
    ...found("jobs", "under an expired lease", "job", "start a worker, which takes them over", expiredJobs),
    ...found(
      "jobs",
      "ended without their attempt",
      "job",
      "start a worker, which ends the attempts, too",
      unsettledJobs
    )
  ]
  const skipped = "its log lists the rows that it skips"
  const supervise = `start a worker, which supervises them; ${skipped}`
  const superviseWorkflows = `start a worker that provides IssueWorkflowLifecycle, or run Supervisor; ${skipped}`
  const tearDown = "start a RuntimeWorker; a program without one reports ends with `SandboxLifecycle.endRuntime`"
  const left = [
    ...found("attempts", "waiting without a job, or asked to stop,", "attempt", supervise, leftAttempts),
    ...found("runtimes", "pending after their attempt has ended", "runtime", supervise, leftRuntimes),
    ...found("teardowns", "unsettled", "teardown", supervise, leftTeardowns),
    ...found("sandboxes", "waiting without an attempt", "sandbox", supervise, leftSandboxes),
    ...found("sandboxes", "in another state than their attempt or runtime", "sandbox", supervise, disagreeingSandboxes),
    ...found("sandboxes", "past their deadline", "sandbox", supervise, expiredSandboxes),
    ...found("sandboxes", "idle for longer than their idle timeout", "sandbox", supervise, idleSandboxes),
    ...found("executions", "without a sandbox or an agent", "execution", superviseWorkflows, leftExecutions)
  ]
  const teardowns = [
    ...found("teardowns", "due", "teardown", tearDown, dueTeardowns),
    ...found("teardowns", "under an expired lease", "teardown", tearDown, expiredTeardowns),
    ...found(
      "teardowns",
      "failed",
      "teardown",
      "remove the resources of the rows of runtime_teardowns with the status failed, then delete these rows",
      failedTeardowns
    )
  ]
  // Not a problem: a workflow may be created without an owner.
  const ownerless =
    ownerlessWorkflows.length === 0
      ? []
      : [
          ok(
            "workflows",
            `active without an owner: ${ownerlessWorkflows.join(", ")}; cancel those of deleted users, which block their issues`
          )
        ]
  const deliveries = [
    ...found("deliveries", "due", "delivery", "start a worker of the webhook inbox", dueDeliveries),
    ...found(
      "deliveries",
      "under an expired lease",
      "delivery",
      "start a worker of the webhook inbox",
      expiredDeliveries
    )
  ]
  const readers = consumers.map(({ behind, longest, name }) =>
    problem(
      "consumers",
      `${name} is ${counted(behind, "event")} behind, and has acknowledged none for ${span(longest)}`,
      "start it; or, if it no longer exists, delete its row from control_plane_event_consumers, so that old events can be purged"
    )
  )
  return [
    ...(jobs.length > 0 ? jobs : [ok("jobs", "none is overdue")]),
    ...(teardowns.length > 0 ? teardowns : [ok("teardowns", "none is overdue")]),
    ...(left.length > 0 ? left : [ok("supervision", "no row waits for supervision")]),
    ...ownerless,
    ...(deliveries.length > 0 ? deliveries : [ok("deliveries", "none is overdue")]),
    ...(readers.length > 0 ? readers : [ok("consumers", "none is overdue")])
  ]
})

interface TokenCount {
  readonly plain: number
  readonly encrypted: number
  readonly readable: number
}

// ?1: the ids of the keys of this process as JSON. The ids and the ciphertext contain no colon.
const tokensText = `
  WITH tokens (token) AS (
    ${tokenColumns.map((column) => `SELECT ${column} FROM account WHERE ${column} IS NOT NULL`).join(" UNION ALL ")}
  )
  SELECT count(*) FILTER (WHERE token NOT GLOB '${tokenPrefix}*') AS plain,
    count(*) FILTER (WHERE token GLOB '${tokenPrefix}*') AS encrypted,
    count(*) FILTER (WHERE EXISTS (
      SELECT 1 FROM json_each(?1) WHERE substr(token, 1, length(value) + ${tokenPrefix.length + 1}) = '${tokenPrefix}' || value || ':')
    ) AS readable
  FROM tokens`

const tokens = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { keys } = yield* Effect.provide(KeyRing, KeyRing.layerConfig)
  const [found] = yield* sql.unsafe<TokenCount>(tokensText, [JSON.stringify(keys.map(({ id }) => id))])
  const { encrypted, plain, readable } = found ?? { encrypted: 0, plain: 0, readable: 0 }
  const unreadable = encrypted - readable
  const lost =
    unreadable === 0
      ? []
      : [
          problem(
            "tokens",
            `${counted(unreadable, "token")} of accounts ${unreadable === 1 ? "is" : "are"} under a key that SEALANT_ENCRYPTION_KEYS does not contain`,
            "add the key to SEALANT_ENCRYPTION_KEYS; without it, the users must sign in at the provider again"
          )
        ]
  // Not a problem: a program may run without keys.
  if (keys.length === 0)
    return [
      ...lost,
      ok(
        "tokens",
        `${counted(plain, "token")} of accounts in plain text: SEALANT_ENCRYPTION_KEYS is not set, so tokens are not encrypted`
      )
    ]
  const exposed =
    plain === 0
      ? []
      : [
          problem(
            "tokens",
            `${counted(plain, "token")} of accounts ${plain === 1 ? "is" : "are"} stored as plain text`,
            "run `sealant-db secrets rotate`, which encrypts them"
          )
        ]
  const all = [...lost, ...exposed]
  return all.length > 0 ? all : [ok("tokens", `${counted(encrypted, "token")} of accounts, all encrypted`)]
})

/** Runs all checks on an open database, one after the other. */
export const examine = Effect.gen(function* () {
  const text = yield* texts
  if (text.some(({ outcome }) => outcome === "problem"))
    return [...text, skipped("engine", "other checks wait until the text is repaired")]
  const current = Migrations.differenceOf(
    yield* Effect.orElseSucceed(Migrations.status, () => ({ applied: [], pending: [], mismatched: [], unknown: [] }))
  )
  // The statements of these checks need the schema of this program.
  const onThisSchema = <E extends { readonly message: string }, R>(
    check: string,
    findings: Effect.Effect<ReadonlyArray<Finding>, E, R>
  ) =>
    current === undefined
      ? orProblem(check)(findings)
      : Effect.succeed([skipped(check, "the schema is not that of this program")])
  const findings = yield* Effect.all([
    orProblem("engine")(engine),
    orProblem("schema")(schema),
    orProblem("integrity")(integrity),
    orProblem("files")(files),
    onThisSchema("jobs", stuck),
    onThisSchema("queue", counters),
    onThisSchema("inbox", inbox),
    onThisSchema("tokens", tokens)
  ])
  return [ok("open", "the database can be opened and read"), ...text, ...findings.flat()]
})
