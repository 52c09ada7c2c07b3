/**
 * Repairs of rows of the predecessor, whose tables had no constraints: only where the other columns of the row determine the
 * right value, or where a value was never recorded. The tables refuse the rest.
 */
import { attemptsExhausted } from "../build-job/WorkspaceBuildJob.js"
import type { Row } from "./sourceRows.js"
import type { LegacyColumn } from "./tables.js"

/** Records a repair. */
export type Repaired = (what: string) => void

type Repair = (row: Row, repaired: Repaired) => void

const isNumber = (value: unknown): value is number => typeof value === "number"
const isNothing = (value: unknown) => value === null || value === undefined

const set = (row: Row, column: string, value: unknown, repaired: Repaired, what: string) => {
  if (row[column] === value || (isNothing(row[column]) && isNothing(value))) return
  row[column] = value
  repaired(`${column}: ${what}`)
}

const clear = (row: Row, columns: ReadonlyArray<string>, repaired: Repaired, why: string) => {
  for (const column of columns) set(row, column, null, repaired, `cleared, because it ${why}`)
}

const fill = (row: Row, column: string, value: unknown, repaired: Repaired, what: string) => {
  if (isNothing(row[column])) set(row, column, value, repaired, `not recorded, so ${what}`)
}

/** What ended cannot have ended before it began. */
const inOrder = (row: Row, start: string, end: string, repaired: Repaired) => {
  const [from, to] = [row[start], row[end]]
  if (isNumber(from) && isNumber(to) && to < from) set(row, end, from, repaired, "before the start, so at the start")
}

/** Attempts and executions: the predecessor set a status without its times. */
const times: Repair = (row, repaired) => {
  const { status } = row
  if (status === "queued") clear(row, ["started_at", "finished_at", "duration_ms"], repaired, "waits")
  else if (status === "running") {
    fill(row, "started_at", row["queued_at"], repaired, "since it was queued")
    clear(row, ["finished_at", "duration_ms"], repaired, "runs")
  } else fill(row, "finished_at", row["updated_at"], repaired, "its last change")
  inOrder(row, "started_at", "finished_at", repaired)
  const { duration_ms: duration, finished_at: to, started_at: from } = row
  const actual = isNumber(from) && isNumber(to) ? to - from : null
  if (!isNothing(duration) && (actual === null || !isNumber(duration) || duration < 0)) {
    set(row, "duration_ms", actual, repaired, "not that of its times")
  }
  if (status !== "cancelled") clear(row, ["cancel_reason"], repaired, "was not cancelled")
}

/** A delivery that waits is worked on as any other. */
const delivery: Repair = (row, repaired) => {
  const { received_at: receivedAt, status } = row
  if (status === "received") clear(row, ["processed_at"], repaired, "waits")
  else fill(row, "processed_at", receivedAt, repaired, "when it was received")
  if (status === "failed") fill(row, "error_message", "not recorded", repaired, "it says that")
  row["available_at"] = receivedAt
  row["updated_at"] = row["processed_at"] ?? receivedAt
}

/**
 * A job that runs has lost its worker, which was the predecessor's: it waits again, with the attempt counted, as after a
 * lease that has expired. Its lease is not kept: nobody can end it, and how long it is to last is the source's word.
 * Where no attempts are left, a job that waits or runs has failed, as the next claim would find.
 */
const job: Repair = (row, repaired) => {
  const { attempt_count: count, max_attempts: most } = row
  if (isNumber(count) && isNumber(most) && count > most) {
    set(row, "attempt_count", most, repaired, "more than there may be, so as many as there may")
  }
  const { status } = row
  if ((status === "queued" || status === "running") && isNumber(count) && isNumber(most)) {
    if (count >= most) exhaust(row, repaired)
    else if (status === "running") {
      set(row, "status", "queued", repaired, "queued again, because its worker was the predecessor's")
      Object.assign(row, { worker_id: null, claimed_at: null, lease_expires_at: null })
    }
  }
  if (row["status"] === "queued") clear(row, ["worker_id", "claimed_at", "finished_at"], repaired, "waits")
  clear(row, ["lease_expires_at"], repaired, "is nobody's")
  if (row["status"] === "succeeded" || row["status"] === "failed") fill(row, "finished_at", row["updated_at"], repaired, "its last change")
  if (row["status"] === "failed") fill(row, "error_message", "not recorded", repaired, "it says that")
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
  if (row["status"] === "archived") fill(row, "archived_at", row["updated_at"], repaired, "its last change")
}

const user: Repair = (row, repaired) => {
  if (typeof row["email"] === "string") set(row, "email", row["email"].trim().toLowerCase(), repaired, "in lower case, as sign-in looks for it")
}

/** The repair of a table's rows, where there is one. */
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

// An instant as SQLite and JavaScript write it. Without a zone it is UTC, as SQLite means it.
const instant = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/

/** A value as its column takes it, where it is of another type: a number or an instant as text, a text as a number. */
export const coerced = (value: unknown, { isNumber: takesNumber, name }: LegacyColumn, repaired: Repaired): unknown => {
  if (!takesNumber && isNumber(value)) return told(String(value), repaired, `${name}: a text that was kept as a number`)
  if (!takesNumber || typeof value !== "string") return value
  const text = value.trim()
  if (/^-?\d{1,15}$/.test(text)) return told(Number(text), repaired, `${name}: a number that was kept as text`)
  const [, day = "", time = "00:00", zone = "Z"] = name.endsWith("_at") ? instant.exec(text) ?? [] : []
  const at = Date.parse(`${day}T${time}${zone}`)
  return Number.isNaN(at) ? value : told(at, repaired, `${name}: an instant that was kept as text`)
}

const told = <A>(value: A, repaired: Repaired, what: string): A => {
  repaired(what)
  return value
}
