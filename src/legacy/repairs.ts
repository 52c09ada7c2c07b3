/**
 * What is mended in rows of the predecessor, which had no rules: only where the row itself says what was meant, or where
 * what is missing was never recorded. What cannot be mended so is for the tables to refuse.
 */

/** A row by the names of its columns. */
export type Row = Record<string, unknown>

/** Notes what was mended, and of which kind. */
export type Mended = (kind: string) => void

type Repair = (row: Row, mended: Mended) => void

const isNumber = (value: unknown): value is number => typeof value === "number"
const isNothing = (value: unknown) => value === null || value === undefined

const set = (row: Row, column: string, value: unknown, mended: Mended, kind: string) => {
  if (row[column] === value || (isNothing(row[column]) && isNothing(value))) return
  row[column] = value
  mended(`${column}: ${kind}`)
}

const ended = new Set(["succeeded", "failed", "cancelled"])

/** The times of what is queued, runs and ends: the predecessor set a status without them. */
const times: Repair = (row, mended) => {
  const { status } = row
  if (status === "queued") {
    for (const column of ["started_at", "finished_at", "duration_ms"]) set(row, column, null, mended, "cleared, because it waits")
  }
  if (status === "running") {
    if (isNothing(row["started_at"])) set(row, "started_at", row["queued_at"] ?? row["created_at"], mended, "not recorded, so since it was queued")
    for (const column of ["finished_at", "duration_ms"]) set(row, column, null, mended, "cleared, because it runs")
  }
  if (typeof status === "string" && ended.has(status)) {
    if (isNothing(row["finished_at"])) set(row, "finished_at", row["updated_at"], mended, "not recorded, so its last change")
  }
  const { finished_at: finishedAt, started_at: startedAt } = row
  if (isNumber(startedAt) && isNumber(finishedAt) && finishedAt < startedAt) {
    set(row, "finished_at", startedAt, mended, "before the start, so at the start")
  }
  const { finished_at, started_at } = row
  if (!isNothing(row["duration_ms"])) {
    const duration = isNumber(started_at) && isNumber(finished_at) ? finished_at - started_at : null
    const given = row["duration_ms"]
    if (duration === null || !isNumber(given) || given < 0) set(row, "duration_ms", duration, mended, "not that of its times")
  }
  if (status !== "cancelled") set(row, "cancel_reason", null, mended, "cleared, because it was not cancelled")
}

const delivery: Repair = (row, mended) => {
  const hasEnded = row["status"] !== "received"
  if (hasEnded && isNothing(row["processed_at"])) set(row, "processed_at", row["received_at"], mended, "not recorded, so when it was received")
  if (!hasEnded) set(row, "processed_at", null, mended, "cleared, because it waits")
  if (row["status"] === "failed" && isNothing(row["error_message"])) set(row, "error_message", "not recorded", mended, "not recorded")
  row["available_at"] = row["received_at"]
  row["updated_at"] = row["processed_at"] ?? row["received_at"]
}

const back = "back in the queue, because its lease was not recorded whole"

/** A job that waits has no lease, and one that runs a whole one, or it waits again. */
const jobLease: Repair = (row, mended) => {
  if (row["status"] === "running" && ["worker_id", "claimed_at", "lease_expires_at"].some((column) => isNothing(row[column]))) {
    set(row, "status", "queued", mended, back)
  }
  const { max_attempts: most, status } = row
  if (isNumber(row["attempt_count"]) && isNumber(most)) {
    const highest = status === "queued" ? most - 1 : most
    if (row["attempt_count"] > highest) set(row, "attempt_count", highest, mended, "more than there may be, so as many as there may")
  }
  if (status === "queued") {
    for (const column of ["worker_id", "claimed_at", "started_at", "finished_at"]) set(row, column, null, mended, "cleared, because it waits")
  }
  if (status !== "running") set(row, "lease_expires_at", null, mended, "cleared, because nobody holds it")
  if (status === "running") {
    if (isNothing(row["started_at"])) set(row, "started_at", row["claimed_at"], mended, "not recorded, so when it was claimed")
    set(row, "finished_at", null, mended, "cleared, because it runs")
    if (row["attempt_count"] === 0) set(row, "attempt_count", 1, mended, "not counted, though somebody has it")
    row["lease_token"] = 1
  }
}

const job: Repair = (row, mended) => {
  jobLease(row, mended)
  const { finished_at: finishedAt, started_at: startedAt, status } = row
  if (status === "succeeded" || status === "failed") {
    if (isNothing(finishedAt)) set(row, "finished_at", row["updated_at"], mended, "not recorded, so its last change")
    else if (isNumber(startedAt) && isNumber(finishedAt) && finishedAt < startedAt) {
      set(row, "finished_at", startedAt, mended, "before the start, so at the start")
    }
  }
  if (status === "failed" && isNothing(row["error_message"])) set(row, "error_message", "not recorded", mended, "not recorded")
}

const runtime: Repair = (row, mended) => {
  if (row["status"] === "pending" || row["status"] === "running") set(row, "finished_at", null, mended, "cleared, because it has not ended")
}

const installation: Repair = (row, mended) => {
  if (row["status"] === "active") set(row, "suspended_at", null, mended, "cleared, because it is active")
}

const archived: Repair = (row, mended) => {
  if (row["status"] === "active") set(row, "archived_at", null, mended, "cleared, because it is active")
  if (row["status"] === "archived" && isNothing(row["archived_at"])) set(row, "archived_at", row["updated_at"], mended, "not recorded, so its last change")
}

const user: Repair = (row, mended) => {
  if (typeof row["email"] === "string") set(row, "email", row["email"].trim().toLowerCase(), mended, "in lower case, as sign-in looks for it")
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

/**
 * A value as its column takes it, where it is of another type: a whole number that was kept as text or with a fraction of
 * nothing, an instant as ISO 8601 text, a text that was kept as a number.
 */
export const coerced = (value: unknown, column: { readonly name: string; readonly type: string }, mended: Mended): unknown => {
  if (isNothing(value)) return null
  if (column.type === "INTEGER" && typeof value === "string") {
    const text = value.trim()
    if (/^-?\d{1,15}$/.test(text)) return told(Number(text), mended, `${column.name}: a number that was kept as text`)
    const instant = /^\d{4}-\d\d-\d\d/.test(text) && column.name.endsWith("_at") ? Date.parse(text) : Number.NaN
    return Number.isNaN(instant) ? value : told(instant, mended, `${column.name}: an instant that was kept as text`)
  }
  if (column.type === "TEXT" && isNumber(value)) return told(String(value), mended, `${column.name}: a text that was kept as a number`)
  return value
}

const told = <A>(value: A, mended: Mended, kind: string): A => {
  mended(kind)
  return value
}
