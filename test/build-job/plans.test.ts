/**
 * Query plans of every statement of the queue: tables are neither scanned nor sorted, and a claim reads the first entries of
 * its indexes for any number of jobs and owners. On files: in memory, the engine cannot commit after an explained write.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import type { JobFilter } from "../../src/build-job/JobViews.js"
import { SandboxAttemptId } from "../../src/sandbox/SandboxAttempt.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { planIssues, planOf, recordStatements } from "../support/plans.js"
import { claimant, failure, gone, layers, request, shell, success } from "./support.js"

const attemptId = SandboxAttemptId.make("gone")
const lease = { jobId: gone, workerId: "one", token: 1 }

const filters: ReadonlyArray<typeof JobFilter.Encoded> = [
  {},
  { statuses: ["failed"], createdAfter: DateTime.unsafeMake(0), createdBefore: DateTime.unsafeMake(1) },
  { statuses: ["queued", "failed"], workerId: "one", errorCode: "disk" },
  { ownerUserId: "ada" },
  { repositoryId: "rep", statuses: ["failed"] },
  { ownerUserId: "ada", repositoryId: "rep" }
]

const methods = Effect.map(
  WorkspaceBuildJobRepo,
  (jobs): Readonly<Record<string, Effect.Effect<unknown, unknown>>> => ({
    enqueue: Effect.all([
      jobs.enqueue({ ...request, idempotencyKey: "key" }),
      jobs.enqueue({ ...request, idempotencyKey: "key" }),
      Effect.ignore(jobs.enqueue({ ...request, attemptId }))
    ]),
    claimNext: jobs.claimNext(claimant),
    claimBatch: jobs.claimBatch({ ...claimant, limit: 1000 }),
    claimById: jobs.claimById({ ...claimant, id: gone }),
    getByLease: jobs.getByLease(lease),
    heartbeat: jobs.heartbeat(lease, "1 minute"),
    succeed: jobs.succeed(lease, success),
    fail: jobs.fail(lease, failure),
    release: jobs.release(lease),
    cancel: jobs.cancel({ id: gone, reason: "enough" }),
    redrive: jobs.redrive(gone),
    reapExpired: jobs.reapExpired(1000),
    markSettled: jobs.markSettled(gone),
    findById: jobs.findById(gone),
    getById: jobs.getById(gone),
    findByIdempotencyKey: jobs.findByIdempotencyKey("key"),
    findLatestByPlanHash: jobs.findLatestByPlanHash({ registryId: "main", planHash: "plan" }),
    findLatestByAttemptId: jobs.findLatestByAttemptId(attemptId),
    findLatestStateByAttemptId: jobs.findLatestStateByAttemptId(attemptId),
    failQueued: jobs.failQueued({ id: gone, errorMessage: "no worker" }),
    cancelLatestByAttemptId: jobs.cancelLatestByAttemptId({ attemptId, reason: "enough" }),
    listLatestByAttemptIds: jobs.listLatestByAttemptIds([attemptId, attemptId]),
    listByStatus: jobs.listByStatus({ status: "queued" }),
    enqueueMany: Effect.all([
      jobs.enqueueMany([{ ...request, idempotencyKey: "key" }, request]),
      Effect.ignore(jobs.enqueueMany([{ ...request, tag: "other", idempotencyKey: "key" }]))
    ]),
    succeedMany: jobs.succeedMany([{ lease, outcome: success }]),
    failMany: jobs.failMany([{ lease, outcome: failure }]),
    setPriority: jobs.setPriority({ id: gone, priority: 1 }),
    nextDueAt: jobs.nextDueAt,
    list: Effect.forEach(filters, (filter) => jobs.list(filter)),
    count: Effect.forEach(filters, (filter) => jobs.count(filter)),
    getDetail: jobs.getDetail(gone),
    redriveMany: Effect.forEach(filters, (filter) => jobs.redriveMany({ ...filter, limit: 1000 })),
    stats: jobs.stats
  })
)

const plansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    recordStatements(Effect.ignore(effect)),
    Effect.forEach((statement) => planOf(statement))
  )

const claimPlan = Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
  Effect.map(plansOf(jobs.claimNext(claimant)), (plans) => plans.flat())
)

/** The sort of the jobs of one owner or of one repository. */
const sortedByAttempts = /^USE TEMP B-TREE FOR ORDER BY in: SELECT .* FROM sandbox_attempts AS f INDEXED BY/

/**
 * The accepted exceptions: the counts for operators, the sort of the flows that have become due since the last claim, at
 * most 22, and the sort of the jobs of an owner or a repository.
 */
const known: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  claimNext: [/^USE TEMP B-TREE FOR ORDER BY in: UPDATE/],
  claimBatch: [/^USE TEMP B-TREE FOR ORDER BY in: UPDATE/],
  list: [sortedByAttempts],
  redriveMany: [sortedByAttempts],
  stats: [/^SCAN oci_image_build_jobs USING COVERING INDEX .* GROUP BY status$/]
}

/**
 * Adds this number of jobs with different due times: one in ten in the future, one in a hundred leased, half of those
 * expired.
 */
const fill = (count: number) =>
  shell(
    `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, available_at, created_at, updated_at,
    attempt_count, lease_token, worker_id, claimed_at, started_at, lease_expires_at)
  SELECT 'job-' || n, iif(leased, 'running', 'queued'), 'r', 'r', 't', '{"repo":"https://github.com/acme/app","harness":"codex"}', iif(n % 10 = 0, 1000000000 + n, 0), n, 0,
    iif(leased, 1, 0), iif(leased, 1, 0), iif(leased, 'w', NULL), iif(leased, 0, NULL), iif(leased, 0, NULL), iif(leased, (n % 200) * 1000000, NULL)
  FROM (
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
    SELECT n, n % 100 = 7 AS leased FROM numbers)`,
    count
  )

describe("build job query plans", () => {
  it.effect("every statement uses an index, except the counts of stats", () =>
    Effect.gen(function* () {
      const all = yield* methods
      expect(new Set(Object.keys(all))).toEqual(new Set(Object.keys(yield* WorkspaceBuildJobRepo)))
      for (const [method, effect] of Object.entries(all)) {
        const issues = yield* planIssues(Effect.ignore(effect))
        const allowed = known[method] ?? []
        expect(
          issues.filter((issue) => !allowed.some((pattern) => pattern.test(issue))),
          method
        ).toEqual([])
      }
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("a claim reads the first entries of partial indexes on flows, lanes and jobs", () =>
    Effect.gen(function* () {
      const plan = yield* claimPlan
      const first =
        "SEARCH j USING COVERING INDEX oci_image_build_jobs_lanes_idx (owner_user_id=? AND priority=? AND registry_id=? AND concurrency_key=?)"
      expect(plan.filter((line) => line.startsWith("SEARCH"))).toEqual([
        expect.stringMatching(
          /^SEARCH oci_image_build_jobs USING .*sqlite_autoindex_oci_image_build_jobs_1 \(id=\?\)$/
        ),
        expect.stringMatching(/^SEARCH build_queue_pauses USING PRIMARY KEY/),
        "SEARCH oci_image_build_jobs USING INDEX oci_image_build_jobs_leases_idx (status=? AND lease_expires_at<?)",
        expect.stringMatching(/^SEARCH build_queue_pauses USING PRIMARY KEY/),
        expect.stringMatching(/^SEARCH build_queue_pauses USING PRIMARY KEY/),
        "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH w USING INDEX build_queue_flows_waiting_idx (next_at<?)",
        "SEARCH build_queue_flows USING COVERING INDEX build_queue_flows_open_idx (priority>?)",
        "SEARCH build_queue_flows USING COVERING INDEX build_queue_flows_open_idx (priority>?)",
        "SEARCH build_queue_flows USING COVERING INDEX build_queue_flows_open_idx (priority>?)",
        "SEARCH w USING INDEX build_queue_flows_waiting_idx (next_at<?)",
        "SEARCH o USING COVERING INDEX build_queue_flows_open_idx (priority=?)",
        "SEARCH o USING COVERING INDEX build_queue_flows_open_idx (priority=?)",
        "SEARCH l USING PRIMARY KEY (flow_id=? AND concurrency_key=?)",
        first,
        first,
        "SEARCH l USING INDEX build_queue_lanes_due_idx (flow_id=?)",
        first,
        // The minimum of the lanes.
        expect.stringMatching(/^SEARCH \(subquery-\d+\)$/)
      ])
      // The only sort is of the flows that have become due since the last claim, after a LIMIT.
      expect(plan.filter((line) => line.includes("TEMP B-TREE"))).toEqual(["USE TEMP B-TREE FOR ORDER BY"])
      expect(plan.filter((line) => line.startsWith("SCAN") && !/^SCAN \(subquery-\d+\)$/.test(line))).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("the index of the queue is in the order of the claim", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columnsOf = (index: string) =>
        Effect.map(
          sql<{ readonly name: string }>`
        SELECT name FROM pragma_index_info(${index}) ORDER BY seqno`,
          (columns) => columns.map(({ name }) => name)
        )
      expect(yield* columnsOf("oci_image_build_jobs_lanes_idx")).toEqual([
        "owner_user_id",
        "priority",
        "registry_id",
        "concurrency_key",
        "available_at",
        "id"
      ])
      expect(yield* columnsOf("build_queue_flows_open_idx")).toEqual(["priority", "virtual_time", "id"])
      expect(yield* columnsOf("oci_image_build_jobs_leases_idx")).toEqual(["status", "lease_expires_at", "id"])
    }).pipe(Effect.provide(layers.memory))
  )

  it.effect("a claim has the same plan at 100 and at 100,000 jobs, with and without statistics", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const empty = yield* claimPlan
      yield* fill(100)
      expect(yield* claimPlan).toEqual(empty)
      yield* sql`ANALYZE`
      expect(yield* claimPlan).toEqual(empty)
      yield* shell("DELETE FROM oci_image_build_jobs")
      yield* fill(100_000)
      expect(yield* claimPlan).toEqual(empty)
      yield* sql`ANALYZE`
      expect(yield* claimPlan).toEqual(empty)
    }).pipe(Effect.provide(layers.file))
  )
})
