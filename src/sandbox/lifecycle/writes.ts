/**
 * The writes of a draft: a guard that the rows are unchanged, then one statement for each change.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, type Option } from "effect"
import { failText, publishText, succeedText } from "../../build-job/claim.js"
import { jobStatements } from "../../build-job/jobStatements.js"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import type { Decision } from "../../events/operation.js"
import { type CorruptRow, rowReader } from "../../sql/rows.js"
import { toWrite, type Write } from "../../sql/writeAll.js"
import { attemptStatements } from "../attemptStatements.js"
import {
  endTeardownText,
  failTeardownText,
  requestTeardownOfAttempt,
  settleTeardownText,
  succeedTeardownText
} from "../teardownStatements.js"
import { runtimeStatements } from "../runtimeStatements.js"
import { RuntimeTeardown } from "../RuntimeTeardown.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt } from "../SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../SandboxRuntimeInstance.js"
import { sandboxStatements } from "../sandboxStatements.js"
import type { Change, Draft } from "./draft.js"

/** The rows after the writes, each decoded when it is asked for. `None` if the operation did not write the row. */
export interface Written {
  readonly sandbox: Effect.Effect<Option.Option<Sandbox>, CorruptRow>
  readonly attempt: Effect.Effect<Option.Option<SandboxAttempt>, CorruptRow>
  /** Takes an id, because a report may end a job and settle a newer one of the attempt. */
  readonly job: (id: string) => Effect.Effect<Option.Option<WorkspaceBuildJob>, CorruptRow>
  readonly runtime: Effect.Effect<Option.Option<SandboxRuntimeInstance>, CorruptRow>
  /** The teardown, if a worker wrote it. */
  readonly teardown: (id: string) => Effect.Effect<Option.Option<RuntimeTeardown>, CorruptRow>
}

const readers = {
  sandbox: rowReader(Sandbox),
  attempt: rowReader(SandboxAttempt),
  job: rowReader(WorkspaceBuildJob),
  runtime: rowReader(SandboxRuntimeInstance),
  teardown: rowReader(RuntimeTeardown)
}

/** The statements of the reports of workers. */
const reportTexts = { succeeded: succeedText, failed: failText, published: publishText } as const

const teardownTextsOf = { succeeded: succeedTeardownText, failed: failTeardownText } as const

export const makeWriter = (sql: SqlClient.SqlClient) => {
  const attempts = attemptStatements(sql)
  const jobs = jobStatements(sql)
  const runtimes = runtimeStatements(sql)
  const sandboxes = sandboxStatements(sql)

  const attemptWrite = (change: Extract<Change, { readonly kind: "attempt" }>, now: number) => {
    const target = { id: change.id }
    switch (change.to) {
      case "running":
        return attempts.start(target, now, now)
      case "stop-requested":
        return attempts.requestStop(target, now)
      case "cancelled":
        return attempts.cancel(target, change.reason, now, now)
      default:
        return attempts.end(target, change.to, now, now)
    }
  }

  const jobWrite = (change: Extract<Change, { readonly kind: "job" }>, now: number): Write => {
    if (change.to === "cancelled") return toWrite(jobs.cancel(sql`${change.id}`, change.reason, now))
    if (change.to === "settled") return toWrite(jobs.settle(change.id, now))
    if (change.to === "image-kept") return toWrite(jobs.keepImage(change.id, now))
    const { jobId, token, workerId } = change.lease
    return {
      sql: reportTexts[change.to],
      values: [now, jobId, token, workerId, ...change.values]
    }
  }

  const teardownWrite = (change: Extract<Change, { readonly kind: "teardown" }>, now: number): Write => {
    switch (change.to) {
      case "requested":
        return { sql: requestTeardownOfAttempt, values: [change.attemptId, now, change.stopReason ?? null] }
      case "ended":
        return { sql: endTeardownText, values: [change.id, now] }
      case "settled":
        return { sql: settleTeardownText, values: [change.id, now] }
      default: {
        const { teardownId, token, workerId } = change.lease
        return { sql: teardownTextsOf[change.to], values: [now, teardownId, token, workerId, ...change.values] }
      }
    }
  }

  const writeOf = (change: Change, now: number): Write => {
    switch (change.kind) {
      case "attempt":
        return toWrite(attemptWrite(change, now))
      case "sandbox":
        return toWrite(sandboxes.setStatus({ id: change.id }, change.to, now))
      case "job":
        return jobWrite(change, now)
      case "runtime":
        return toWrite(runtimes.report(change.report, now))
      case "teardown":
        return teardownWrite(change, now)
    }
  }

  /** Builds the decision of a draft. `result` receives the written rows. */
  const decisionOf = <A, E>(
    draft: Draft,
    unchanged: Write,
    now: number,
    result: (written: Written) => Effect.Effect<A, E>
  ): Decision<A, E> => ({
    // An event without a change of a row is written under the guard too: a worker that lost its lease records nothing.
    writes:
      draft.changes.length + draft.transitions.length === 0
        ? []
        : [unchanged, ...draft.changes.map((change) => writeOf(change, now))],
    transitions: draft.transitions,
    result: (rows) => result(writtenOf(draft.changes, rows.slice(1)))
  })

  return { decisionOf }
}

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

const writtenOf = (changes: ReadonlyArray<Change>, rows: ReadonlyArray<Rows>): Written => {
  const last = <A>(kind: Change["kind"], read: (row: Rows[number]) => Effect.Effect<A, CorruptRow>, id?: string) => {
    const isWritten = (row: Rows[number] | undefined) => row !== undefined && (id === undefined || row["id"] === id)
    const row = rows.findLast((found, index) => changes[index]?.kind === kind && isWritten(found[0]))?.[0]
    return row === undefined ? Effect.succeedNone : Effect.asSome(read(row))
  }
  return {
    sandbox: last("sandbox", readers.sandbox),
    attempt: last("attempt", readers.attempt),
    job: (id) => last("job", readers.job, id),
    runtime: last("runtime", readers.runtime),
    teardown: (id) => last("teardown", readers.teardown, id)
  }
}
