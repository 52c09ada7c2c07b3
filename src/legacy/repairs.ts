/**
 * Repairs of rows of the predecessor, whose tables had no constraints. A value is repaired only if the other columns of
 * the row determine it, or if it was never recorded. The tables reject all other invalid rows.
 */
import { attemptsExhausted } from "../build-job/WorkspaceBuildJob.js"
import type { Row } from "./sourceRows.js"
import type { LegacyColumn } from "./tables.js"

/** Records a repair. */
export type Repaired = (what: string) => void

type Repair = (row: Row, repaired: Repaired) => void

// The error message of a failed row without one.
const notRecorded = "not recorded"

const isNumber = (value: unknown): value is number => typeof value === "number"
const isNull = (value: unknown) => value === null || value === undefined

const set = (row: Row, column: string, value: unknown, repaired: Repaired, what: string) => {
  if (row[column] === value || (isNull(row[column]) && isNull(value))) return
  row[column] = value
  repaired(`${column}: ${what}`)
}

const clear = (row: Row, columns: ReadonlyArray<string>, repaired: Repaired, state: string) => {
  for (const column of columns) set(row, column, null, repaired, `cleared, because the row ${state}`)
}

const fill = (row: Row, column: string, value: unknown, repaired: Repaired, source: string) => {
  if (isNull(row[column])) set(row, column, value, repaired, `not recorded, set to ${source}`)
}

/** Moves an end that is before the start to the start. */
const inOrder = (row: Row, start: string, end: string, repaired: Repaired) => {
  const [from, to] = [row[start], row[end]]
  if (isNumber(from) && isNumber(to) && to < from) set(row, end, from, repaired, `before ${start}, set to ${start}`)
}

/** Repairs attempts and executions: the predecessor set their status without the times. */
const times: Repair = (row, repaired) => {
  const { status } = row
  if (status === "queued") clear(row, ["started_at", "finished_at", "duration_ms"], repaired, "is queued")
  else if (status === "running") {
    fill(row, "started_at", row["queued_at"], repaired, "queued_at")
    clear(row, ["finished_at", "duration_ms"], repaired, "is running")
  } else fill(row, "finished_at", row["updated_at"], repaired, "updated_at")
  inOrder(row, "started_at", "finished_at", repaired)
  const { duration_ms: duration, finished_at: to, started_at: from } = row
  const actual = isNumber(from) && isNumber(to) ? to - from : null
  if (!isNull(duration) && (actual === null || !isNumber(duration) || duration < 0)) {
    set(row, "duration_ms", actual, repaired, "recomputed from started_at and finished_at")
  }
  if (status !== "cancelled") clear(row, ["cancel_reason"], repaired, "was not cancelled")
}

/** Repairs deliveries. A received delivery is due at once, like a new one. */
const delivery: Repair = (row, repaired) => {
  const { received_at: receivedAt, status } = row
  if (status === "received") clear(row, ["processed_at"], repaired, "is not processed")
  else fill(row, "processed_at", receivedAt, repaired, "received_at")
  if (status === "failed") fill(row, "error_message", notRecorded, repaired, `"${notRecorded}"`)
  row["available_at"] = receivedAt
  row["updated_at"] = row["processed_at"] ?? receivedAt
}

/**
 * Repairs jobs. The worker of a running job no longer exists, so the job is queued again and its attempt counts, as
 * after an expired lease. The lease is dropped: no worker can release it, and a wrong expiry could block the job for
 * years. A queued or running job without attempts left fails, because the next claim would do the same.
 */
const job: Repair = (row, repaired) => {
  const { attempt_count: count, max_attempts: max } = row
  if (isNumber(count) && isNumber(max) && count > max) {
    set(row, "attempt_count", max, repaired, "greater than max_attempts, set to max_attempts")
  }
  const { status } = row
  if ((status === "queued" || status === "running") && isNumber(count) && isNumber(max)) {
    if (count >= max) exhaust(row, repaired)
    else if (status === "running") {
      set(row, "status", "queued", repaired, "reset to queued, because its worker no longer exists")
      Object.assign(row, { worker_id: null, claimed_at: null, lease_expires_at: null })
    }
  }
  if (row["status"] === "queued") clear(row, ["worker_id", "claimed_at", "finished_at"], repaired, "is queued")
  clear(row, ["lease_expires_at"], repaired, "has no worker")
  if (row["status"] === "succeeded" || row["status"] === "failed")
    fill(row, "finished_at", row["updated_at"], repaired, "updated_at")
  if (row["status"] === "failed") fill(row, "error_message", notRecorded, repaired, `"${notRecorded}"`)
  inOrder(row, "started_at", "finished_at", repaired)
}

const exhaust = (row: Row, repaired: Repaired) => {
  set(row, "status", "failed", repaired, `failed as ${attemptsExhausted}, because no attempts are left`)
  Object.assign(row, {
    error_code: attemptsExhausted,
    error_message: "no attempts were left when it was imported",
    finished_at: row["updated_at"],
    lease_expires_at: null
  })
}

const runtime: Repair = (row, repaired) => {
  if (row["status"] === "pending" || row["status"] === "running") clear(row, ["finished_at"], repaired, "has not ended")
  inOrder(row, "launched_at", "finished_at", repaired)
}

const installation: Repair = (row, repaired) => {
  if (row["status"] === "active") clear(row, ["suspended_at"], repaired, "is active")
}

const archived: Repair = (row, repaired) => {
  if (row["status"] === "active") clear(row, ["archived_at"], repaired, "is active")
  if (row["status"] === "archived") fill(row, "archived_at", row["updated_at"], repaired, "updated_at")
}

const user: Repair = (row, repaired) => {
  if (typeof row["email"] === "string")
    set(row, "email", row["email"].trim().toLowerCase(), repaired, "trimmed and converted to lower case for sign-in")
}

/** The repairs, by table. */
export const repairs: Readonly<Record<string, Repair>> = {
  user,
  github_app_installations: installation,
  github_webhook_deliveries: delivery,
  oci_image_build_jobs: job,
  sandbox_attempts: times,
  issue_workflow_executions: times,
  sandbox_runtime_instances: runtime,
  profiles: archived,
  repository_profiles: archived
}

// An instant in the formats of SQLite and JavaScript. Without a zone it is UTC:
// https://www.sqlite.org/lang_datefunc.html
const instant = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/

/**
 * Converts a value to the type of its column: numbers and instants that are stored as text, texts stored as numbers.
 */
export const coerced = (value: unknown, { isNumber: takesNumber, name }: LegacyColumn, repaired: Repaired): unknown => {
  if (!takesNumber && isNumber(value))
    return withRepair(String(value), repaired, `${name}: converted from number to text`)
  if (!takesNumber || typeof value !== "string") return value
  const text = value.trim()
  if (/^-?\d{1,15}$/.test(text)) return withRepair(Number(text), repaired, `${name}: converted from text to number`)
  const [, day = "", time = "00:00", zone = "Z"] = name.endsWith("_at") ? (instant.exec(text) ?? []) : []
  const at = Date.parse(`${day}T${time}${zone}`)
  return Number.isNaN(at) ? value : withRepair(at, repaired, `${name}: converted from text to epoch milliseconds`)
}

const withRepair = <A>(value: A, repaired: Repaired, what: string): A => {
  repaired(what)
  return value
}
