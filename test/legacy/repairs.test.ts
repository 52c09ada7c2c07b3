/**
 * The repaired and rejected rows of an import, and their reasons.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { LegacyImport, WorkspaceBuildJobRepo } from "@sealant/db"
import { DateTime, Effect, Layer, Option, TestClock } from "effect"
import { attemptsExhausted, WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { memoryLayer } from "../support/database.js"
import {
  changed,
  deployedRows,
  importRows,
  legacyPath,
  rejectsOf,
  type Row,
  type Rows,
  reportedCounts,
  writeDeployment
} from "./source.js"

const rowOf = (table: string, id: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<Row>`SELECT * FROM ${sql(table)} WHERE id = ${id}`, ([row]) => row ?? {})
  )

const first = (table: string): Row => deployedRows[table]?.[0] ?? {}

const changing = (table: string, change: Row, rows: Rows = deployedRows) =>
  changed(rows, table, (_, index) => (index === 0 ? change : undefined))

/** The first job, with this. */
const withJob = (change: Row) => changing("oci_image_build_jobs", { ...bare, ...change })

const bare: Row = {
  status: "queued",
  attempt_count: 0,
  max_attempts: 3,
  worker_id: null,
  claimed_at: null,
  lease_expires_at: null,
  started_at: null,
  finished_at: null,
  error_code: null,
  error_message: null
}

const leased: Row = { status: "running", worker_id: "worker-1", claimed_at: 5, started_at: 5, lease_expires_at: 8e15 }

const jobId = String(first("oci_image_build_jobs")["id"])
const theJob = rowOf("oci_image_build_jobs", jobId)

const cleared = "cleared, because the referenced row was not imported or belongs to another owner"

describe("an import repairs", () => {
  it.scoped("values of another type that have an unambiguous meaning", () =>
    Effect.gen(function* () {
      const instants = {
        "2026-03-01": "2026-03-01T00:00:00Z",
        "2026-03-01 12:30:00": "2026-03-01T12:30:00Z",
        "2026-03-01T12:30:00.5+02:00": "2026-03-01T10:30:00.500Z"
      }
      for (const [text, meant] of Object.entries(instants)) {
        yield* Effect.gen(function* () {
          const report = yield* importRows(
            changing("user", { email: " Ada@Example.COM ", name: 7, email_verified: "1", created_at: text })
          )
          expect(reportedCounts(report, "repaired", "user")).toEqual({
            "email: trimmed and converted to lower case for sign-in": 1,
            "name: converted from number to text": 1,
            "email_verified: converted from text to number": 1,
            "created_at: converted from text to epoch milliseconds": 1
          })
          expect(yield* rowOf("user", String(first("user")["id"]))).toMatchObject({
            email: "ada@example.com",
            name: "7",
            email_verified: 1,
            created_at: DateTime.toEpochMillis(DateTime.unsafeMake(meant))
          })
        }).pipe(Effect.provide(memoryLayer))
      }
    })
  )

  it.scoped("running jobs: they are queued again, their attempt is counted, and they can be claimed at once", () =>
    Effect.gen(function* () {
      const report = yield* importRows(withJob({ ...leased, attempt_count: 1 }))
      expect(reportedCounts(report, "repaired", "oci_image_build_jobs")).toMatchObject({
        "status: reset to queued, because its worker no longer exists": 2
      })
      expect(yield* theJob).toMatchObject({
        status: "queued",
        attempt_count: 1,
        worker_id: null,
        claimed_at: null,
        lease_expires_at: null,
        lease_token: 0
      })
      yield* TestClock.setTime(2e12)
      const claimed = yield* (yield* WorkspaceBuildJobRepo).claimBatch({
        workerId: "worker-2",
        leaseDuration: "1 minute",
        limit: 10
      })
      expect(claimed.find(({ job }) => job.id === jobId)).toMatchObject({
        job: { attemptCount: 2 },
        lease: { token: 1 }
      })
    }).pipe(Effect.provide(Layer.provideMerge(WorkspaceBuildJobRepo.layer, memoryLayer)))
  )

  for (const [what, change] of [
    ["waits", {}],
    ["runs", leased]
  ] as const) {
    it.scoped(`a job that ${what} without attempts left: it has failed, and is not handed out again`, () =>
      Effect.gen(function* () {
        const report = yield* importRows(withJob({ ...change, attempt_count: 3 }))
        expect(reportedCounts(report, "repaired", "oci_image_build_jobs")).toMatchObject({
          "status: failed as attempts-exhausted, because no attempts are left": 1
        })
        const { updated_at: updatedAt } = first("oci_image_build_jobs")
        expect(yield* theJob).toMatchObject({
          status: "failed",
          error_code: attemptsExhausted,
          attempt_count: 3,
          max_attempts: 3,
          finished_at: updatedAt,
          lease_expires_at: null
        })
      }).pipe(Effect.provide(memoryLayer))
    )
  }

  it.scoped("keys of the queue: a repeated request finds its job", () =>
    Effect.gen(function* () {
      yield* importRows(withJob({ idempotency_key: "again" }))
      const jobs = yield* WorkspaceBuildJobRepo
      const { job } = yield* Effect.map(jobs.findByIdempotencyKey("again"), (found) => ({
        job: Option.getOrThrow(found)
      }))
      const { registryId, repository, requestPayload, attemptId, tag } = job
      const replay = {
        registryId,
        repository,
        tag,
        requestPayload,
        idempotencyKey: "again",
        ...(Option.isSome(attemptId) ? { attemptId: attemptId.value } : {})
      }
      expect((yield* jobs.enqueue(replay)).created).toBe(false)
      expect(yield* Effect.flip(jobs.enqueue({ ...replay, tag: "other" }))).toMatchObject({
        _tag: "IdempotencyConflict"
      })
    }).pipe(Effect.provide(Layer.provideMerge(WorkspaceBuildJobRepo.layer, memoryLayer)))
  )

  it.scoped("a job whose attempt is missing, together with its fingerprint", () =>
    Effect.gen(function* () {
      const report = yield* importRows(withJob({ idempotency_key: "again", run_id: "gone" }))
      expect(reportedCounts(report, "repaired", "oci_image_build_jobs")).toMatchObject({ [`run_id: ${cleared}`]: 1 })
      const jobs = yield* WorkspaceBuildJobRepo
      const { registryId, repository, requestPayload, tag } = Option.getOrThrow(
        yield* jobs.findByIdempotencyKey("again")
      )
      expect(
        (yield* jobs.enqueue({ registryId, repository, tag, requestPayload, idempotencyKey: "again" })).created
      ).toBe(false)
    }).pipe(Effect.provide(Layer.provideMerge(WorkspaceBuildJobRepo.layer, memoryLayer)))
  )

  it.scoped("an ended attempt with an unsettled job; an active one is left to supervision", () =>
    Effect.gen(function* () {
      const [job] = deployedRows["oci_image_build_jobs"] ?? []
      const runs = (deployedRows["sandbox_attempts"] ?? []).map(({ id, status }) => ({
        id,
        live: status === "queued" || status === "running"
      }))
      const failed = runs.map(({ id }) => ({
        ...job,
        ...bare,
        id: `job-of-${String(id)}`,
        run_id: id,
        status: "failed",
        finished_at: 9e12,
        error_message: "x",
        idempotency_key: null
      }))
      yield* importRows({ ...deployedRows, oci_image_build_jobs: failed })
      for (const { id, live } of runs) {
        expect(yield* rowOf("oci_image_build_jobs", `job-of-${String(id)}`)).toMatchObject({
          run_settled_at: live ? null : 9e12
        })
      }
      expect(new Set(runs.map(({ live }) => live)).size).toBe(2)
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("references to missing rows and to rows of another owner", () =>
    Effect.gen(function* () {
      // The first row of each belongs to user_0, the second to user_1.
      const foreign: ReadonlyArray<readonly [table: string, change: Row]> = [
        ["ssh_keys", { private_key_secret_id: "sec_1", passphrase_secret_id: "sec_1" }],
        ["profiles", { active_revision_id: "prev_1" }],
        ["repository_profiles", { active_revision_id: "rprev_1" }],
        ["sandbox_attempts", { profile_revision_id: "prev_1", issue_id: "gone", retry_of_run_id: "run_1" }],
        ["sandboxes", { profile_revision_id: "prev_1", latest_run_id: "run_18" }],
        ["issue_workflow_executions", { sandbox_id: "sbx_1", sandbox_attempt_id: "run_18" }],
        [
          "issue_workflow_execution_diff_files",
          { patch_artifact_id: deployedRows["issue_workflow_execution_artifacts"]?.[1]?.["id"] }
        ]
      ]
      const report = yield* importRows(
        foreign.reduce((rows, [table, change]) => changing(table, change, rows), deployedRows)
      )
      expect(report.rejected).toBe(0)
      for (const [table, change] of foreign) {
        expect([table, reportedCounts(report, "repaired", table)]).toEqual([
          table,
          expect.objectContaining(Object.fromEntries(Object.keys(change).map((column) => [`${column}: ${cleared}`, 1])))
        ])
        expect(yield* rowOf(table, String(first(table)["id"]))).toMatchObject(
          Object.fromEntries(Object.keys(change).map((column) => [column, null]))
        )
      }
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("nothing in references to rows that are imported later", () =>
    Effect.gen(function* () {
      const [run] = deployedRows["sandbox_attempts"] ?? []
      const runs = Array.from(
        { length: 700 },
        (_, index): Row => ({
          ...run,
          id: `run-${index}`,
          retry_of_run_id: index < 699 ? `run-${index + 1}` : "run-699"
        })
      )
      const report = yield* importRows({
        ...deployedRows,
        sandbox_attempts: [...(deployedRows["sandbox_attempts"] ?? []), ...runs]
      })
      expect(reportedCounts(report, "repaired", "sandbox_attempts")).toEqual({ [`retry_of_run_id: ${cleared}`]: 1 })
      expect(yield* rowOf("sandbox_attempts", "run-0")).toMatchObject({ retry_of_run_id: "run-1" })
      expect(yield* rowOf("sandbox_attempts", "run-699")).toMatchObject({ retry_of_run_id: null })
      expect(yield* rowOf("profiles", String(first("profiles")["id"]))).toMatchObject({
        active_revision_id: first("profiles")["active_revision_id"]
      })
    }).pipe(Effect.provide(memoryLayer))
  )
})

it.scoped("an import accepts names beyond the input limits, and sources that are rejected as inputs", () =>
  Effect.gen(function* () {
    const name = "x".repeat(1001)
    const source = "ext::sh -c id"
    const [job] = deployedRows["oci_image_build_jobs"] ?? []
    const payload = { ...JSON.parse(String(job?.["request_payload"])), repo: undefined, sources: undefined, source }
    const report = yield* importRows(changing("user", { name }, withJob({ request_payload: JSON.stringify(payload) })))
    expect(report.rejected).toBe(0)
    expect(yield* rowOf("user", String(first("user")["id"]))).toMatchObject({ name })
    const found = yield* Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.findById(WorkspaceBuildJobId.make(jobId)))
    expect(Option.getOrThrow(found).requestPayload).toMatchObject({ source })
  }).pipe(Effect.provide(Layer.provideMerge(WorkspaceBuildJobRepo.layer, memoryLayer)))
)

describe("an import rejects", () => {
  it.scoped("rows that violate the schema, with their dependants, without showing values", () =>
    Effect.gen(function* () {
      const users = deployedRows["user"] ?? []
      const rows = changed(
        { ...deployedRows, user: [...users, { ...first("user"), id: "twin" }] },
        "repositories",
        (_, index) => (index === 0 ? { provider: "banana" } : undefined)
      )
      const report = yield* importRows(rows)
      expect(reportedCounts(report, "rejects", "user")).toEqual({ "already exists: user.email": 1 })
      expect(reportedCounts(report, "rejects", "repositories")).toEqual({ "provider: is invalid": 1 })
      expect(reportedCounts(report, "rejects", "issues")).toEqual({
        "repository_id: the referenced row of repositories was not imported or belongs to another owner": 1
      })
      expect(Object.keys(reportedCounts(report, "rejects", "issue_workflow_executions"))).toHaveLength(1)
      expect(JSON.stringify(report)).not.toContain("banana")
      const [kept] = yield* rejectsOf("repositories")
      expect([kept?.key, JSON.parse(kept?.payload ?? "")]).toEqual([
        first("repositories")["id"],
        { ...first("repositories"), provider: "banana" }
      ])
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("a key of more than 1,000 characters, which no method accepts", () =>
    Effect.gen(function* () {
      expect((yield* importRows(changing("verification", { id: "x".repeat(1000) }))).rejected).toBe(0)
      const report = yield* importRows(changing("verification", { id: "x".repeat(1001) })).pipe(
        Effect.provide(Layer.fresh(memoryLayer))
      )
      expect(reportedCounts(report, "rejects", "verification")).toEqual({ "id: must be up to 1000 characters": 1 })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("rows that need a row of another owner, and a version that would change its meaning", () =>
    Effect.gen(function* () {
      const foreign = [
        [
          "profile_secret_bindings",
          { secret_id: "sec_1", secret_version_id: null },
          "profile_secret_bindings: a secret of another owner"
        ],
        ["profile_ssh_key_bindings", { ssh_key_id: "key_1" }, "profile_ssh_key_bindings: an SSH key of another owner"],
        ["sandbox_run_links", { run_id: "run_18" }, "sandbox_run_links: an attempt of another owner"]
      ] as const
      const pinned = changed(deployedRows, "profile_secret_bindings", (_, index) =>
        index === 1 ? { secret_version_id: "secv_0" } : undefined
      )
      const report = yield* importRows(foreign.reduce((rows, [table, change]) => changing(table, change, rows), pinned))
      for (const [table, , reason] of foreign)
        expect(reportedCounts(report, "rejects", table)).toMatchObject({ [reason]: 1 })
      expect(reportedCounts(report, "rejects", "profile_secret_bindings")).toMatchObject({
        "secret_version_id: the referenced row of secret_versions was not imported or belongs to another owner": 1
      })
      expect(report.rejected).toBe(4)
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("values that neither text nor JSON can represent: they are kept unchanged in the reject", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(
        path,
        "UPDATE user SET name = CAST(x'61ff62' AS TEXT), image = 'é\"' WHERE id = 'user_0'",
        "UPDATE user SET name = 'a' || char(0) || 'b' WHERE id = 'user_1'",
        "UPDATE user SET name = x'00ff', updated_at = 9223372036854775807, created_at = 1.25 WHERE id = 'user_2'",
        "UPDATE repositories SET id = CAST(x'ff' AS TEXT), created_at = 9e999 WHERE id = 'repo_0'"
      )
      const report = yield* LegacyImport.run(path)
      expect(reportedCounts(report, "rejects", "user")).toEqual({
        "name: is not UTF-8": 1,
        "name: contains a NUL character": 1,
        "name: is invalid": 1
      })
      const byKey = new Map((yield* rejectsOf("user")).map(({ key, payload }) => [key, JSON.parse(payload) as unknown]))
      expect(byKey.get("user_0")).toMatchObject({ name: { base64: "Yf9i" }, image: 'é"', email: "user0@example.com" })
      expect(byKey.get("user_1")).toMatchObject({ name: "a\0b" })
      expect(byKey.get("user_2")).toMatchObject({
        name: { base64: "AP8=" },
        updated_at: "9223372036854775807",
        created_at: 1.25
      })
      const [repository] = yield* rejectsOf("repositories")
      expect([repository?.key, repository?.reason]).toEqual(['{"id":{"base64":"/w=="}}', "id: is not UTF-8"])
      expect(JSON.parse(repository?.payload ?? "")).toMatchObject({ created_at: "Inf" })
    }).pipe(Effect.provide(memoryLayer))
  )

  it.scoped("columns and tables that the legacy schema does not have: they are kept in a reject and reported", () =>
    Effect.gen(function* () {
      const { path } = yield* legacyPath
      writeDeployment(
        path,
        "ALTER TABLE user ADD COLUMN nickname TEXT; UPDATE user SET nickname = 'Ada' WHERE id = 'user_0'; UPDATE user SET email = '' WHERE id = 'user_0'",
        "ALTER TABLE session ADD COLUMN colour TEXT",
        "ALTER TABLE oci_image_build_jobs ADD COLUMN lease_token INTEGER DEFAULT 7",
        "CREATE TABLE notes (id TEXT, text TEXT); INSERT INTO notes VALUES ('1', 'x'), ('2', 'y'); CREATE TABLE empty (id TEXT)"
      )
      const report = yield* LegacyImport.run(path)
      expect(report.ignored.toSorted((one, other) => (one.what < other.what ? -1 : 1))).toEqual([
        { what: "notes", rows: 2 },
        { what: "oci_image_build_jobs.lease_token", rows: 4 },
        { what: "user.nickname", rows: 1 }
      ])
      const [kept] = yield* rejectsOf("user")
      expect([kept?.reason, JSON.parse(kept?.payload ?? "")]).toEqual([
        "user_email",
        expect.objectContaining({ nickname: "Ada" })
      ])
      expect(yield* theJob).toMatchObject({ lease_token: 0 })
    }).pipe(Effect.provide(memoryLayer))
  )
})
