/**
 * The rows of a launch: the sandbox, its attempt, the snapshot and the job.
 */
import { Effect, Option } from "effect"
import { WorkspaceBuildJob } from "../../build-job/WorkspaceBuildJob.js"
import { NotFound } from "../../Errors.js"
import { WorkspaceBlueprint } from "../../payloads/WorkspaceBlueprint.js"
import { encoderOf, readingOf } from "../../sql/decoder.js"
import { partColumnList, partOf, rowReader } from "../../sql/rows.js"
import { Sandbox } from "../Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../SandboxAttempt.js"

type Row = Readonly<Record<string, unknown>>

/** The columns of a joined row: `s`, `a`, `n` and `j` are the sandbox, attempt, snapshot and job. */
export const launchColumns = [
  partColumnList(Sandbox, "s"),
  partColumnList(SandboxAttempt, "a"),
  partColumnList(SandboxAttemptSnapshot, "n"),
  partColumnList(WorkspaceBuildJob, "j")
].join(", ")

/** The readers of the parts of a joined row. */
export const launchParts = {
  sandbox: partOf(Sandbox, "s"),
  attempt: partOf(SandboxAttempt, "a"),
  snapshot: partOf(SandboxAttemptSnapshot, "n"),
  job: partOf(WorkspaceBuildJob, "j")
}

/** The readers of the rows that the writes of a launch return. */
export const launchReaders = {
  sandbox: rowReader(Sandbox),
  attempt: rowReader(SandboxAttempt),
  snapshot: rowReader(SandboxAttemptSnapshot),
  job: rowReader(WorkspaceBuildJob)
}

/** Returns a row. Fails with `NotFound` if it does not exist, or was deleted. */
export const orMissing = <A>(entity: string, id: string, row: Option.Option<A>): Effect.Effect<A, NotFound> =>
  Option.isSome(row) ? Effect.succeed(row.value) : Effect.fail(new NotFound({ entity, id }))

/** Returns the row of a write that always returns one. */
export const written = (rows: ReadonlyArray<Row> | undefined): Row => {
  const row = rows?.[0]
  if (row === undefined) throw new Error("a write of a launch returned no row")
  return row
}

/** Encodes a blueprint. Accepts any stored source, for retries; the new rows are checked as inputs. */
export const encodeBlueprint = encoderOf(readingOf(WorkspaceBlueprint))
