import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, Option, Redacted, TestClock } from "effect"
import { Factories, layerTest } from "@sealant/db/testing"
import { WorkspaceBuildJobStatus } from "../../src/build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../../src/build-job/WorkspaceBuildJobRepo.js"
import { PackageResolutionCacheRepo } from "../../src/package-cache/PackageResolutionCacheRepo.js"
import { AccountRepo } from "../../src/auth/AccountRepo.js"
import { SessionRepo } from "../../src/auth/SessionRepo.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { VerificationRepo } from "../../src/auth/VerificationRepo.js"
import { SandboxStatus } from "../../src/sandbox/Sandbox.js"
import { SandboxAttemptStatus } from "../../src/sandbox/SandboxAttempt.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeStatus } from "../../src/sandbox/SandboxRuntimeInstance.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import { refusalOf } from "../support/refusals.js"

const { make } = Factories

const count = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql<{ readonly count: number }>`SELECT count(*) AS count FROM ${sql(table)}`, ([row]) => row?.count)
  )

describe("Factories", () => {
  for (const status of SandboxStatus.literals) {
    it.effect(`create a sandbox that is ${status} and readable by its repository`, () =>
      Effect.gen(function* () {
        const sandbox = yield* make.sandbox({ status })
        expect(yield* (yield* SandboxRepo).getById(sandbox.id)).toEqual(sandbox)
        expect(sandbox.status).toBe(status)
      }).pipe(Effect.provide(layerTest))
    )
  }

  for (const status of SandboxAttemptStatus.literals) {
    it.effect(`create an attempt that is ${status} and readable by its repository`, () =>
      Effect.gen(function* () {
        const attempt = yield* make.attempt({ status })
        expect(yield* (yield* SandboxAttemptRepo).getById(attempt.id)).toEqual(attempt)
        expect(attempt.status).toBe(status)
      }).pipe(Effect.provide(layerTest))
    )
  }

  for (const status of SandboxRuntimeStatus.literals) {
    it.effect(`create a runtime that is ${status} and readable by its repository`, () =>
      Effect.gen(function* () {
        const runtime = yield* make.runtimeInstance({ status })
        expect(yield* (yield* SandboxRuntimeInstanceRepo).findByAttemptId(runtime.attemptId)).toEqual(
          Option.some(runtime)
        )
        expect(runtime.status).toBe(status)
      }).pipe(Effect.provide(layerTest))
    )
  }

  for (const status of WorkspaceBuildJobStatus.literals) {
    for (const given of [{}, { attemptCount: 2, leaseToken: 5 }, { attemptCount: 7 }]) {
      it.effect(`create a job that is ${status} with ${JSON.stringify(given)} and readable by its repository`, () =>
        Effect.gen(function* () {
          const job = yield* make.buildJob({ status, ...given })
          expect(yield* (yield* WorkspaceBuildJobRepo).getById(job.id)).toEqual(job)
          expect(job).toMatchObject({ status, ...given })
        }).pipe(Effect.provide(layerTest))
      )
    }

    it.effect(`create a launch whose job is ${status} as one launch of one owner`, () =>
      Effect.gen(function* () {
        const { attempt, job, sandbox, snapshot } = yield* make.launch({
          sandbox: { ownerUserId: "ada" },
          job: { status }
        })
        const sandboxes = yield* SandboxRepo
        const attempts = yield* SandboxAttemptRepo
        expect(yield* sandboxes.findByAttemptId(attempt.id)).toEqual(Option.some(sandbox))
        expect(yield* attempts.findSnapshot(attempt.id)).toEqual(Option.some(snapshot))
        expect([sandbox.ownerUserId, attempt.ownerUserId, attempt.status, job.status]).toEqual([
          "ada",
          "ada",
          status,
          status
        ])
        expect([sandbox.latestAttemptId, job.attemptId]).toEqual([Option.some(attempt.id), Option.some(attempt.id)])
      }).pipe(Effect.provide(layerTest))
    )
  }

  it.effect("create a claimed job under the lease in the input", () =>
    Effect.gen(function* () {
      const jobs = yield* WorkspaceBuildJobRepo
      const { job, lease } = yield* make.claimedJob({ workerId: "worker-1", leaseToken: 4 })
      expect(lease).toEqual({ jobId: job.id, workerId: "worker-1", token: 4 })
      expect(yield* jobs.getByLease(lease)).toEqual(job)
      yield* TestClock.adjust("1 minute")
      expect(yield* jobs.reapExpired(1)).toHaveLength(1)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("keep the input", () =>
    Effect.gen(function* () {
      const at = DateTime.unsafeMake(1000)
      const sandbox = yield* make.sandbox({ id: "s", name: "", ownerUserId: "ada", createdAt: at, archivedAt: at })
      expect(sandbox).toMatchObject({
        id: "s",
        name: "",
        ownerUserId: "ada",
        createdAt: at,
        archivedAt: Option.some(at)
      })
      const attempt = yield* make.attempt({ status: "failed", startedAt: at, finishedAt: DateTime.unsafeMake(1500) })
      expect(attempt.durationMs).toEqual(Option.some(500))
      const job = yield* make.buildJob({
        status: "running",
        startedAt: at,
        leaseExpiresAt: at,
        maxAttempts: 9,
        errorCode: "oom"
      })
      expect(job).toMatchObject({
        startedAt: Option.some(at),
        leaseExpiresAt: Option.some(at),
        maxAttempts: 9,
        errorCode: Option.some("oom")
      })
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("set defaults for fields that are undefined", () =>
    Effect.gen(function* () {
      for (const [name, factory] of Object.entries(make)) {
        const ordinary: Effect.Effect<object, Factories.FactoryError, SqlClient.SqlClient> = factory()
        const row = yield* Effect.provide(ordinary, layerTest)
        const absent = Object.fromEntries(Object.keys(row).map((field) => [field, undefined]))
        const made: object = yield* factory(absent)
        expect(Object.keys(made), name).toEqual(Object.keys(row))
      }
      const { attempt, sandbox } = yield* make.launch({
        sandbox: { status: undefined, ownerUserId: undefined },
        attempt: { status: undefined },
        snapshot: undefined,
        job: { status: "succeeded" }
      })
      expect([sandbox.status, attempt.status]).toEqual(["ready", "succeeded"])
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create a referenced row once, with the id in the input", () =>
    Effect.gen(function* () {
      const references = {
        ownerUserId: "ada",
        requestedByUserId: "bob",
        repositoryId: "app",
        profileRevisionId: "p1",
        repositoryProfileRevisionId: "rp1"
      }
      const sandbox = yield* make.sandbox({ ...references, latestAttemptId: "run" })
      const attempt = yield* make.attempt({ ...references, issueId: "issue", retryOfAttemptId: "run" })
      expect(sandbox).toMatchObject({
        ownerUserId: "ada",
        repositoryId: Option.some("app"),
        latestAttemptId: Option.some("run")
      })
      expect(attempt).toMatchObject({ issueId: Option.some("issue"), retryOfAttemptId: Option.some("run") })
      const counts = yield* Effect.forEach(
        ["user", "profiles", "profile_revisions", "sandbox_attempts", "sandbox_run_links"],
        count
      )
      expect(counts).toEqual([2, 1, 1, 2, 1])
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create a referenced row on its own", () =>
    Effect.gen(function* () {
      const ada = yield* make.user({ id: "ada", name: "Ada" })
      const profile = yield* make.profile({ ownerUserId: ada.id })
      expect((yield* make.profileRevision({ profileId: profile.id })).version).toBe(1)
      expect((yield* make.profileRevision({ profileId: profile.id })).version).toBe(2)
      const app = yield* make.repository({ name: "app" })
      const ofApp = yield* make.repositoryProfile({ repositoryId: app.id })
      expect((yield* make.repositoryProfileRevision({ repositoryProfileId: ofApp.id })).repositoryProfileId).toBe(
        ofApp.id
      )
      expect((yield* make.issue({ repositoryId: app.id })).number).toBe(1)
      expect((yield* make.issue({ repositoryId: app.id })).number).toBe(2)
      expect((yield* make.snapshot()).userSpecPayload).toEqual(Factories.exampleSpec)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("fail if the database rejects the row, and store nothing", () =>
    Effect.gen(function* () {
      yield* make.profileRevision({ id: "of-ada", ownerUserId: "ada" })
      const users = yield* count("user")
      expect(yield* refusalOf(make.user({ email: "ada@example.com" }))).toMatchObject({ _tag: "AlreadyExists" })
      expect(yield* refusalOf(make.sandbox({ ownerUserId: "bob", profileRevisionId: "of-ada" }))).toMatchObject({
        _tag: "ReferenceNotFound"
      })
      expect(yield* refusalOf(make.buildJob({ status: "running", attemptCount: 0 }))).toMatchObject({
        _tag: "InvalidInput"
      })
      expect(yield* count("user")).toBe(users)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create a user, a session, an account and a verification that their repositories find", () =>
    Effect.gen(function* () {
      const ada = yield* make.user({ id: "ada", email: "ada@example.com", emailVerified: true, image: "a.png" })
      expect(yield* (yield* UserRepo).findByEmail("ada@example.com")).toEqual(Option.some(ada))
      expect(ada).toMatchObject({ emailVerified: true, image: Option.some("a.png") })

      const token = Redacted.make("token")
      const session = yield* make.session({ userId: "ada", token, userAgent: "curl" })
      expect(yield* (yield* SessionRepo).findByToken(token)).toEqual(Option.some(session))
      expect((yield* make.session()).userId).not.toBe(ada.id)

      const account = yield* make.account({ userId: "bob", password: Redacted.make("hash"), scope: "repo" })
      expect(yield* (yield* AccountRepo).find(account)).toEqual(Option.some(account))
      expect(Option.map(account.password, Redacted.value)).toEqual(Option.some("hash"))

      const verification = yield* make.verification({ identifier: Redacted.make("ada"), value: Redacted.make("code") })
      const consume = (yield* VerificationRepo).consume({ identifier: "ada", value: Redacted.make("code") })
      expect(yield* consume).toEqual(Option.some(verification))
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("create a package resolution that the cache finds", () =>
    Effect.gen(function* () {
      const cache = yield* PackageResolutionCacheRepo
      const entry = yield* make.packageResolution({ query: "nix:fd", hitCount: 3 })
      expect(yield* cache.get("nix:fd")).toMatchObject(
        Option.some({ hitCount: 4, resolutionPayload: entry.resolutionPayload })
      )
    }).pipe(Effect.provide(layerTest))
  )
})
