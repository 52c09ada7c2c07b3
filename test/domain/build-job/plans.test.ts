/**
 * What the planner makes of every statement of the queue: nothing that grows is scanned or sorted, and a claim walks the
 * first entries of its two indexes at any depth.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { SandboxAttemptId } from "../../../src/domain/sandbox/SandboxAttempt.js"
import { WorkspaceBuildJobRepo } from "../../../src/domain/build-job/WorkspaceBuildJobRepo.js"
import { planIssues, planOf, recordStatements } from "../../support/plans.js"
import { at, claim, claimant, enqueue, failure, gone, layers, leased, request, shell, success } from "./support.js"

const runId = SandboxAttemptId.make("gone")
const lease = { jobId: gone, workerId: "one", token: 1 }

const methods = Effect.map(WorkspaceBuildJobRepo, (jobs) => ({
  enqueue: Effect.all([
    jobs.enqueue({ ...request, idempotencyKey: "key" }),
    jobs.enqueue({ ...request, idempotencyKey: "key" }),
    Effect.ignore(jobs.enqueue({ ...request, runId }))
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
  listUnsettled: jobs.listUnsettled({ limit: 1000, succeededBefore: at(0) }),
  markSettled: jobs.markSettled(gone),
  findById: jobs.findById(gone),
  getById: jobs.getById(gone),
  findByIdempotencyKey: jobs.findByIdempotencyKey("key"),
  findLatestByRunId: jobs.findLatestByRunId(runId),
  listLatestByRunIds: jobs.listLatestByRunIds([runId, runId]),
  listByStatus: jobs.listByStatus({ status: "queued" }),
  stats: jobs.stats
}))

const plans = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flatMap(recordStatements(Effect.ignore(effect)), Effect.forEach((statement) => planOf(statement)))
describe("plans", () => {
  it.effect("x", () => Effect.gen(function*() {
    const all = yield* methods
    for (const [m, e] of Object.entries(all)) { console.log(m, yield* planIssues(Effect.ignore(e)), yield* plans(e)) }
  }).pipe(Effect.provide(layers.file)))
})
