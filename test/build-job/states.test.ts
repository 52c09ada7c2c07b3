/**
 * Every state and its transitions, through the queue and by direct SQL.
 */
import { SqlError } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Layer, TestClock } from "effect"
import {
  type Lease,
  type WorkspaceBuildJobId,
  WorkspaceBuildJobStatus,
  workspaceBuildJobTransitions
} from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo, type WorkspaceBuildJobService } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { at, claimant, failure, layers, make, type Services, shell, success, tagOf } from "./support.js"

const statuses = WorkspaceBuildJobStatus.literals
type Status = (typeof statuses)[number]

const now = 1000

/** A job in each state: under its first lease, or after it, at the time `now`. */
const states = {
  queued: { status: "queued", attemptCount: 1 },
  "queued for later": { status: "queued", attemptCount: 1, availableAt: at(now + 1) },
  running: { status: "running", leaseExpiresAt: at(now + 1) },
  "running, expired": { status: "running", leaseExpiresAt: at(now) },
  "running, expired, last attempt": { status: "running", leaseExpiresAt: at(now), maxAttempts: 1 },
  succeeded: { status: "succeeded" },
  failed: { status: "failed" },
  cancelled: { status: "cancelled", attemptCount: 1 }
} as const
type State = keyof typeof states

type Move = (
  jobs: WorkspaceBuildJobService,
  job: { readonly id: WorkspaceBuildJobId; readonly lease: Lease }
) => Effect.Effect<unknown, { readonly _tag: string }>

const move = (run: Move) => run

/** Each method that changes a job, applied to the job and its last lease. */
const methods = {
  claimNext: move((jobs) => jobs.claimNext(claimant)),
  claimBatch: move((jobs) => jobs.claimBatch({ ...claimant, limit: 5 })),
  claimById: move((jobs, { id }) => jobs.claimById({ ...claimant, id })),
  heartbeat: move((jobs, { lease }) => jobs.heartbeat(lease, "1 minute")),
  succeed: move((jobs, { lease }) => jobs.succeed(lease, success)),
  fail: move((jobs, { lease }) => jobs.fail(lease, failure)),
  "fail for good": move((jobs, { lease }) => jobs.fail(lease, { ...failure, retryable: false })),
  release: move((jobs, { lease }) => jobs.release(lease)),
  cancel: move((jobs, { id }) => jobs.cancel({ id, reason: "enough" })),
  failQueued: move((jobs, { id }) => jobs.failQueued({ id, errorMessage: "no worker" })),
  redrive: move((jobs, { id }) => jobs.redrive(id)),
  reapExpired: move((jobs) => jobs.reapExpired(10)),
  markSettled: move((jobs, { id }) => jobs.markSettled(id))
}
type Method = keyof typeof methods

const claims = {
  queued: "running",
  "queued for later": "same",
  running: "same",
  "running, expired": "running",
  "running, expired, last attempt": "failed",
  succeeded: "same",
  failed: "same",
  cancelled: "same"
} as const

/** A write under the last lease of the job. The other states record how that lease ended. */
const underLease = (
  to: Record<"running" | "last", string>,
  repeatedIn: ReadonlyArray<State>
): Record<State, string> => ({
  queued: repeatedIn.includes("queued") ? "same" : "LeaseLost",
  "queued for later": repeatedIn.includes("queued") ? "same" : "LeaseLost",
  running: to.running,
  "running, expired": to.running,
  "running, expired, last attempt": to.last,
  succeeded: repeatedIn.includes("succeeded") ? "same" : "LeaseLost",
  failed: repeatedIn.includes("failed") ? "same" : "LeaseLost",
  cancelled: "LeaseLost"
})

/** The result of each method in each state: the new status, `same` for no change, or the error. */
const expected: Readonly<Record<Method, Readonly<Record<State, string>>>> = {
  claimNext: claims,
  claimBatch: claims,
  claimById: claims,
  heartbeat: underLease({ running: "running", last: "running" }, []),
  succeed: underLease({ running: "succeeded", last: "succeeded" }, ["succeeded"]),
  fail: underLease({ running: "queued", last: "failed" }, ["queued", "failed"]),
  "fail for good": underLease({ running: "failed", last: "failed" }, ["queued", "failed"]),
  release: underLease({ running: "queued", last: "queued" }, []),
  cancel: {
    queued: "cancelled",
    "queued for later": "cancelled",
    running: "cancelled",
    "running, expired": "cancelled",
    "running, expired, last attempt": "cancelled",
    succeeded: "InvalidTransition",
    failed: "InvalidTransition",
    cancelled: "same"
  },
  failQueued: {
    queued: "failed",
    "queued for later": "failed",
    running: "InvalidTransition",
    "running, expired": "InvalidTransition",
    "running, expired, last attempt": "InvalidTransition",
    succeeded: "InvalidTransition",
    failed: "same",
    cancelled: "InvalidTransition"
  },
  redrive: {
    queued: "same",
    "queued for later": "same",
    running: "InvalidTransition",
    "running, expired": "InvalidTransition",
    "running, expired, last attempt": "InvalidTransition",
    succeeded: "InvalidTransition",
    failed: "queued",
    cancelled: "queued"
  },
  reapExpired: { ...claims, queued: "same", "running, expired": "queued" },
  markSettled: {
    queued: "same",
    "queued for later": "same",
    running: "same",
    "running, expired": "same",
    "running, expired, last attempt": "same",
    succeeded: "succeeded",
    failed: "failed",
    cancelled: "cancelled"
  }
}

const isMethod = (name: string): name is Method => name in methods
const isState = (name: string): name is State => name in states

/** The mutable columns of a job. */
const columns = [
  "status",
  "attempt_count",
  "available_at",
  "claimed_at",
  "lease_expires_at",
  "worker_id",
  "lease_token",
  "lease_outcome",
  "started_at",
  "finished_at",
  "executor_id",
  "published_reference",
  "published_digest_reference",
  "published_digest",
  "error_code",
  "error_message",
  "cancel_reason"
].join(", ")

/** The result of a statement: `ok`, or the message of the database. */
const verdict = (text: string, ...params: ReadonlyArray<unknown>) =>
  Effect.match(shell(text, ...params), {
    onSuccess: () => "ok",
    onFailure: (error) =>
      error instanceof SqlError.SqlError && error.cause instanceof Error ? error.cause.message : String(error)
  })

const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`build job states (${name})`, () => {
    for (const method of Object.keys(methods).filter(isMethod)) {
      for (const state of Object.keys(states).filter(isState)) {
        const outcome = expected[method][state]
        it.effect(`${method} of a job that is ${state}: ${outcome}`, () =>
          Effect.gen(function* () {
            const jobs = yield* WorkspaceBuildJobRepo
            yield* TestClock.setTime(now)
            const before = yield* make.buildJob({ leaseToken: 1, ...states[state] })
            const lease = { jobId: before.id, workerId: "worker", token: 1 }
            const answer = yield* tagOf(methods[method](jobs, { id: before.id, lease }))
            const after = yield* jobs.getById(before.id)
            const refused = outcome === "LeaseLost" || outcome === "InvalidTransition"
            expect(answer).toBe(refused ? outcome : "ok")
            if (refused || outcome === "same") expect(after).toEqual(before)
            else expect(after.status).toBe(outcome)
            expect(
              before.status === after.status || workspaceBuildJobTransitions.allows(before.status, after.status)
            ).toBe(true)
          }).pipe(Effect.provide(layer))
        )
      }
    }

    for (const from of statuses) {
      for (const to of statuses) {
        const allowed = from === to || workspaceBuildJobTransitions.allows(from, to)
        it.effect(`the database ${allowed ? "allows" : "rejects"} ${from} → ${to}`, () =>
          Effect.gen(function* () {
            const source = yield* make.buildJob({ status: from })
            // All columns of a job in the new status, with a new token, so that only the transition can be invalid.
            const target = yield* make.buildJob({ status: to, attemptCount: 1, leaseToken: source.leaseToken + 1 })
            const said = yield* verdict(
              `UPDATE oci_image_build_jobs SET (${columns}) = (SELECT ${columns} FROM oci_image_build_jobs WHERE id = ?) WHERE id = ?`,
              target.id,
              source.id
            )
            expect(said).toContain(allowed ? "ok" : "invalid transition: oci_image_build_jobs.status")
            expect((yield* (yield* WorkspaceBuildJobRepo).getById(source.id)).status).toBe(allowed ? to : from)
          }).pipe(Effect.provide(layer))
        )
      }
    }

    /** Direct SQL on a job in a state, and the rule that rejects it. */
    const attempts: ReadonlyArray<readonly [status: Status, set: string, rule: string]> = [
      ["queued", "id = ''", "oci_image_build_jobs_id"],
      ["queued", "status = 'done'", "invalid transition"],
      ["queued", "registry_id = ''", "oci_image_build_jobs_registry_id"],
      ["queued", "repository = ''", "oci_image_build_jobs_repository"],
      ["queued", "tag = ''", "oci_image_build_jobs_tag"],
      ["queued", "request_payload = '{'", "oci_image_build_jobs_request_payload"],
      ["queued", "request_payload = '[]'", "oci_image_build_jobs_request_payload"],
      ["queued", "request_payload = NULL", "request_payload"],
      ["queued", "request_fingerprint = ''", "oci_image_build_jobs_request_fingerprint"],
      ["queued", "idempotency_key = ''", "oci_image_build_jobs_idempotency_key"],
      ["queued", "run_id = 'gone'", "FOREIGN KEY"],
      ["queued", "available_at = -1", "oci_image_build_jobs_timestamps"],
      ["queued", "available_at = 'soon'", "cannot store TEXT value in INTEGER column"],
      ["queued", "attempt_count = -1", "oci_image_build_jobs_attempts"],
      ["queued", "max_attempts = 0", "oci_image_build_jobs_attempts"],
      ["queued", "attempt_count = max_attempts", "oci_image_build_jobs_queued"],
      ["queued", "worker_id = 'w'", "oci_image_build_jobs_queued"],
      ["queued", "claimed_at = 1", "oci_image_build_jobs_queued"],
      ["queued", "lease_expires_at = 1", "oci_image_build_jobs_lease"],
      ["queued", "lease_token = 1", "oci_image_build_jobs_lease_ended"],
      ["queued", "lease_outcome = 'released'", "oci_image_build_jobs_lease_ended"],
      ["queued", "finished_at = 1", "oci_image_build_jobs_finished"],
      ["queued", "run_settled_at = 1", "oci_image_build_jobs_settled"],
      ["queued", "cancel_reason = 'enough'", "oci_image_build_jobs_cancelled"],
      ["running", "attempt_count = max_attempts + 1", "oci_image_build_jobs_attempts"],
      ["running", "attempt_count = 0", "oci_image_build_jobs_running"],
      ["running", "started_at = NULL", "oci_image_build_jobs_running"],
      ["running", "lease_expires_at = NULL", "oci_image_build_jobs_lease"],
      ["running", "lease_outcome = 'expired'", "oci_image_build_jobs_lease_ended"],
      ["running", "worker_id = 'thief'", "a claim needs a new lease token"],
      ["running", "worker_id = NULL", "a claim needs a new lease token"],
      ["running", "claimed_at = 9", "a claim needs a new lease token"],
      ["running", "lease_token = lease_token - 1", "a claim needs a new lease token"],
      ["running", "status = 'queued'", "oci_image_build_jobs_"],
      ["running", "status = 'succeeded'", "oci_image_build_jobs_"],
      [
        "running",
        "status = 'failed', finished_at = 2000, lease_expires_at = NULL, lease_outcome = 'failed'",
        "oci_image_build_jobs_failed"
      ],
      [
        "running",
        "status = 'cancelled', finished_at = 2000, lease_expires_at = NULL, lease_outcome = 'cancelled'",
        "oci_image_build_jobs_cancelled"
      ],
      [
        "running",
        "status = 'succeeded', finished_at = 2000, lease_expires_at = NULL, lease_outcome = 'succeeded', executor_id = 'e'",
        "oci_image_build_jobs_succeeded"
      ],
      ["succeeded", "worker_id = ''", "oci_image_build_jobs_worker_id"],
      ["succeeded", "executor_id = ''", "oci_image_build_jobs_executor_id"],
      ["succeeded", "published_digest = NULL", "oci_image_build_jobs_succeeded"],
      ["succeeded", "result_payload = '[]'", "oci_image_build_jobs_result_payload"],
      ["succeeded", "finished_at = NULL", "oci_image_build_jobs_finished"],
      ["succeeded", "finished_at = started_at - 1", "oci_image_build_jobs_finished_after_started"],
      ["succeeded", "lease_outcome = 'failed'", "the outcome of a lease stands"],
      ["succeeded", "lease_outcome = NULL", "the outcome of a lease stands"],
      ["succeeded", "lease_token = lease_token + 1, lease_outcome = 'lost'", "oci_image_build_jobs_lease_outcome"],
      ["succeeded", "lease_token = 0", "a claim needs a new lease token"],
      ["failed", "error_message = NULL", "oci_image_build_jobs_failed"],
      [
        "failed",
        "status = 'running', lease_expires_at = 9, finished_at = NULL, lease_token = 2, lease_outcome = NULL",
        "invalid transition"
      ],
      ["cancelled", "cancel_reason = NULL", "oci_image_build_jobs_cancelled"],
      // A queued job needs a new token to run, also when it had a lease before.
      [
        "queued",
        "status = 'running', lease_expires_at = 9, worker_id = 'w', claimed_at = 1, started_at = 1, attempt_count = 1",
        "a claim needs a new lease token"
      ]
    ]
    // Checks that the triggers of an update would reject first.
    for (const [column, value, rule] of [
      ["status", "'done'", "oci_image_build_jobs_status"],
      ["lease_token", "-1", "oci_image_build_jobs_lease_token"]
    ]) {
      it.effect(`the database rejects a new job with ${column} ${value}`, () =>
        Effect.gen(function* () {
          const said = yield* verdict(`
            INSERT INTO oci_image_build_jobs (id, registry_id, repository, tag, request_payload, available_at, created_at, updated_at, ${column})
            VALUES ('job', 'r', 'r', 't', '{}', 0, 0, 0, ${value})`)
          expect(said).toContain(rule)
        }).pipe(Effect.provide(layer))
      )
    }

    for (const [status, set, rule] of attempts) {
      it.effect(`the database rejects a ${status} job ${set}`, () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(now)
          const job = yield* make.buildJob({ status })
          expect(yield* verdict(`UPDATE oci_image_build_jobs SET ${set} WHERE id = ?`, job.id)).toContain(rule)
          expect(yield* (yield* WorkspaceBuildJobRepo).getById(job.id)).toEqual(job)
        }).pipe(Effect.provide(layer))
      )
    }
  })

suite("memory", layers.memory)
