/**
 * A sentinel in every input that may contain a secret is stored and returned with the job, and appears nowhere else.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { collectOutput } from "../support/outputCollector.js"
import { at, badNames, claim, claimant, layers, make, refusalOf, request, shell, success } from "./support.js"

const sentinel = "correct-horse-battery-staple"

const secretive = {
  ...request,
  requestPayload: {
    source: "https://github.com/acme/app",
    harness: "opencode",
    env: { TOKEN: sentinel },
    setup: [`curl -H ${sentinel}`]
  }
} as const

const result = {
  executor: { id: "fedora", osFamily: "fedora" },
  artifacts: [{ kind: "oci-image", name: "workspace" }],
  metadata: { notes: [sentinel] }
} as const

describe("secrets of build jobs", () => {
  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`are in no error, span or log (${name})`, () => {
      const { layer: watched, record, output } = collectOutput()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const jobs = yield* WorkspaceBuildJobRepo
        let failures = 0
        const refused = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.map(refusalOf(effect), (error) => {
            failures++
            record(error, String(error), JSON.stringify(error), error instanceof Error ? error.stack : "")
          })

        // Enqueued, repeated, rejected.
        const keyed = { ...secretive, idempotencyKey: `key` }
        const { job } = yield* jobs.enqueue({ ...keyed, id: "job", maxAttempts: 2 })
        expect(job.requestPayload.env).toEqual({ TOKEN: sentinel })
        yield* jobs.enqueue(keyed)
        yield* refused(
          jobs.enqueue({ ...keyed, requestPayload: { ...secretive.requestPayload, env: { TOKEN: `${sentinel}-2` } } })
        )
        yield* refused(jobs.enqueue({ ...secretive, id: "job" }))
        yield* refused(jobs.enqueue({ ...secretive, attemptId: "gone" }))
        yield* refused(jobs.enqueue({ ...secretive, tag: badNames.nul }))
        yield* refused(
          jobs.enqueue({
            ...secretive,
            requestPayload: { ...secretive.requestPayload, repo: `https://${sentinel}@example.com` }
          })
        )
        yield* refused(jobs.enqueue({ ...secretive, availableAt: at(-1) }))

        // Failed with a message, failed again, and failed after the lease was lost.
        const first = yield* claim("job")
        const failure = { errorMessage: sentinel, errorCode: "failed" }
        yield* refused(jobs.fail(first.lease, { errorMessage: sentinel.repeat(10_000) }))
        yield* refused(jobs.fail(first.lease, { errorMessage: sentinel, errorCode: sentinel.repeat(100) }))
        yield* jobs.fail(first.lease, failure)
        yield* TestClock.adjust("10 minutes")
        const second = yield* claim("job")
        yield* refused(jobs.fail(first.lease, failure))
        yield* refused(jobs.succeed(first.lease, { ...success, resultPayload: result }))
        yield* refused(jobs.succeed(second.lease, { ...success, resultPayload: { ...result, artifacts: [] } }))
        yield* refused(jobs.cancel({ id: job.id, reason: `${sentinel}\0` }))
        expect((yield* jobs.succeed(second.lease, { ...success, resultPayload: result })).resultPayload).not.toBe(null)
        yield* refused(jobs.cancel({ id: job.id, reason: sentinel }))
        yield* refused(jobs.redrive(job.id))

        // Read by each list, also from an invalid row.
        yield* make.claimedJob({
          id: "broken",
          requestPayload: secretive.requestPayload,
          leaseExpiresAt: at(0),
          errorMessage: sentinel
        })
        yield* shell(
          "UPDATE oci_image_build_jobs SET request_payload = ? WHERE id = 'broken'",
          JSON.stringify({ env: { TOKEN: sentinel } })
        )
        yield* refused(jobs.listByStatus({ status: "running" }))
        yield* jobs.claimNext(claimant)
        yield* refused(jobs.listByStatus({ status: "failed" }))
        yield* jobs.listByStatus({ status: "succeeded" })
        yield* jobs.stats

        // Rejected by the database.
        yield* sql`DROP TRIGGER oci_image_build_jobs_status_transition`
        yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON oci_image_build_jobs BEGIN SELECT RAISE(ABORT, 'refused'); END`
        yield* refused(jobs.enqueue(secretive))
        yield* sql`DROP TABLE oci_image_build_jobs`
        yield* refused(jobs.enqueue(secretive))
        yield* refused(jobs.fail(second.lease, failure))
        yield* Effect.logDebug("done")

        expect(failures).toBe(19)
        expect(output.some((text) => text.includes("WorkspaceBuildJobRepo.enqueue"))).toBe(true)
        expect(output.some((text) => text.includes("done"))).toBe(true)
        expect(output.filter((text) => text.includes(sentinel))).toEqual([])
      }).pipe(Effect.provide(layer), Effect.provide(watched))
    })
  }
})
