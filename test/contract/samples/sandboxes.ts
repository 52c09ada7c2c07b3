/**
 * A valid call of each method of the sandbox services and the queue.
 */
import { DateTime, Effect } from "effect"
import { Factories } from "@sealant/db/testing"
import type { Samples } from "../samples.js"
import type { Fixture } from "../fixtureRows.js"

const spec = { ...Factories.exampleSpec, env: { TOKEN: "secret" }, setup: ["make"] }
const published = {
  executorId: "fedora",
  publishedReference: "main/app:latest",
  publishedDigestReference: "main/app@sha256:0",
  publishedDigest: "sha256:0"
}
const launchedRuntime = { adapter: "docker", resourceId: "container", reference: "docker:container", status: "running" }

export const sandboxSamples = (fixture: Fixture): Samples => {
  const { ada, attempt, building, launched, lease, profileRevision, queued, repository, running, started } = fixture
  const { teardown, teardownLease } = fixture
  const owned = { ownerUserId: ada }
  const sandbox = launched.sandbox.id
  return {
    SandboxRepo: {
      create: [
        { id: "sbx", name: "app", ...owned, repositoryId: repository.id, requestedByUserId: ada, status: "queued" }
      ],
      findById: [{ ...owned, id: sandbox }],
      getById: [{ ...owned, id: sandbox }],
      getForOwner: [{ ...owned, id: sandbox }],
      findByAttemptId: [{ ...owned, id: launched.attempt.id }],
      list: [{ ...owned, statuses: ["stopped", "queued"], includeArchived: true, limit: 10 }],
      stream: [{ ...owned, repositoryId: repository.id, statuses: ["queued"] }],
      rename: [{ ...owned, id: sandbox, name: "other" }],
      setStatus: [{ ...owned, id: sandbox, status: "queued" }],
      linkAttempt: [{ ...owned, sandboxId: sandbox, attemptId: attempt.id, relation: "retry" }],
      listAttemptLinks: [{ ...owned, sandboxId: sandbox, limit: 10 }],
      archive: [{ ...owned, id: sandbox }],
      unarchive: [{ ...owned, id: sandbox }],
      delete: [{ ...owned, id: sandbox }]
    },
    SandboxAttemptRepo: {
      createQueued: [
        {
          id: "run",
          ...owned,
          repositoryId: repository.id,
          triggerType: "api",
          triggerRef: "call",
          requestedByUserId: ada
        }
      ],
      findById: [{ ...owned, id: attempt.id }],
      getById: [{ ...owned, id: attempt.id }],
      list: [{ ...owned, statuses: ["queued"], limit: 10 }],
      stream: [{ ...owned, sandboxId: sandbox }],
      markRunning: [{ ...owned, id: attempt.id }],
      markSucceeded: [{ ...owned, id: running.id }],
      markFailed: [{ ...owned, id: running.id }],
      markCancelled: [{ ...owned, id: running.id, reason: "no longer needed" }],
      requestStop: [{ ...owned, id: running.id }],
      setSnapshot: [
        {
          attemptId: running.id,
          userSpecPayload: spec,
          resolvedSpecPayload: spec,
          blueprintPayload: launched.snapshot.blueprintPayload,
          profileConfigSnapshot: { shell: "zsh" },
          repositoryProfileConfigSnapshot: { depth: 1 }
        }
      ],
      findSnapshot: [{ ...owned, id: started.id }],
      listByIds: [{ ...owned, ids: [attempt.id, running.id] }]
    },
    SandboxRuntimeInstanceRepo: {
      upsert: [
        {
          attemptId: running.id,
          status: "failed",
          adapter: "docker",
          resourceId: "container",
          reference: "docker:container",
          errorCode: "oom",
          errorMessage: "out of memory"
        }
      ],
      findByAttemptId: [{ ...owned, id: started.id }],
      claimInspections: [{ every: "1 minute", limit: 10 }],
      listByAttemptIds: [{ ...owned, attemptIds: [started.id, running.id] }],
      listByStatus: [{ status: "running", limit: 10 }]
    },
    RuntimeTeardownRepo: {
      claimNext: [{ workerId: "worker-2", leaseDuration: "1 minute" }],
      claimById: [{ workerId: "worker-2", leaseDuration: "1 minute", id: teardown.id }],
      heartbeat: [teardownLease, "1 minute"],
      release: [teardownLease],
      findById: [teardown.id],
      getById: [teardown.id],
      listByStatus: [{ status: "queued", limit: 10 }],
      stats: []
    },
    OwnerLimitsRepo: {
      get: [owned.ownerUserId],
      set: [{ ...owned, weight: 2, maxRunningBuilds: 3, maxQueuedBuilds: 100, maxLiveSandboxes: 50 }],
      getDefaults: [],
      setDefaults: [{ weight: 1, maxRunningBuilds: 10, maxQueuedBuilds: 1000, maxLiveSandboxes: 100 }],
      list: [{ limit: 10 }]
    },
    BuildQueueRepo: {
      pause: [{ part: { scope: "registry", id: "main" }, reason: "maintenance" }],
      resume: [{ scope: "registry", id: "main" }],
      listPauses: [],
      load: [10],
      summarize: [10],
      drift: [],
      repair: []
    },
    WorkspaceBuildJobRepo: {
      enqueueMany: [
        [
          {
            ...owned,
            registryId: "main",
            repository: "acme/app",
            tag: "latest",
            requestPayload: spec,
            idempotencyKey: "first of many",
            priority: 0,
            concurrencyKey: "acme/app",
            concurrencyLimit: 2,
            startsPerMinute: 60
          }
        ]
      ],
      succeedMany: [[{ lease, outcome: published }]],
      failMany: [[{ lease, outcome: { errorMessage: "no space left", errorCode: "disk", retryable: true } }]],
      setPriority: [{ id: fixture.job.id, priority: 1 }],
      nextDueAt: [],
      enqueue: [
        {
          id: "job",
          attemptId: running.id,
          registryId: "main",
          repository: "acme/app",
          tag: "latest",
          requestPayload: spec,
          idempotencyKey: "key",
          maxAttempts: 3,
          ...owned,
          priority: 3,
          concurrencyKey: "acme/app",
          concurrencyLimit: 2,
          startsPerMinute: 60,
          planHash: "plan"
        }
      ],
      claimNext: [{ workerId: "worker-2", leaseDuration: "1 minute" }],
      claimBatch: [{ workerId: "worker-2", leaseDuration: "1 minute", limit: 5 }],
      claimById: [{ workerId: "worker-2", leaseDuration: "1 minute", id: fixture.job.id }],
      heartbeat: [lease, "1 minute"],
      succeed: [lease, published],
      fail: [lease, { errorMessage: "no space left", errorCode: "disk", retryable: true }],
      release: [lease],
      getByLease: [lease],
      cancel: [{ id: fixture.job.id, reason: "no longer needed" }],
      failQueued: [{ id: fixture.job.id, errorMessage: "no worker has this registry", errorCode: "operator" }],
      redrive: [fixture.cancelled.id],
      reapExpired: [10],
      markSettled: [fixture.cancelled.id],
      findById: [fixture.job.id],
      getById: [fixture.job.id],
      findByIdempotencyKey: ["enqueued"],
      findLatestByPlanHash: [{ registryId: "main", planHash: "plan" }],
      findLatestByAttemptId: [launched.attempt.id],
      findLatestStateByAttemptId: [launched.attempt.id],
      cancelLatestByAttemptId: [{ attemptId: launched.attempt.id, reason: "enough" }],
      listLatestByAttemptIds: [[launched.attempt.id]],
      listByStatus: [{ status: "queued", limit: 10 }],
      list: [{ statuses: ["queued", "running"], createdAfter: DateTime.unsafeMake(0), limit: 10 }],
      count: [{ repositoryId: repository.id, createdAfter: DateTime.unsafeMake(0) }],
      getDetail: [fixture.job.id],
      redriveMany: [{ statuses: ["cancelled"], createdBefore: DateTime.unsafeMake("2100-01-01"), limit: 10 }],
      stats: []
    },
    SandboxLifecycle: {
      launch: [
        {
          ...owned,
          name: "app",
          spec,
          resolvedSpec: spec,
          registryId: "main",
          repository: "acme/app",
          tag: "latest",
          idempotencyKey: "key",
          repositoryId: repository.id,
          profileRevisionId: profileRevision.id,
          requestedByUserId: ada,
          triggerType: "api",
          id: "sbx",
          triggerRef: "call",
          profileConfigSnapshot: { shell: "zsh" },
          repositoryProfileConfigSnapshot: { depth: 1 },
          availableAt: DateTime.unsafeMake(0),
          maxAttempts: 5,
          reuseImage: true,
          lifetime: "1 day",
          idleTimeout: "1 hour"
        }
      ],
      findLaunch: [{ ...owned, idempotencyKey: "launched" }],
      retry: [{ ...owned, id: sandbox }],
      rebuild: [{ ...owned, id: sandbox }],
      beginBuild: [building],
      publishBuild: [building, published],
      finishBuild: [building, { ...published, runtime: launchedRuntime }],
      failBuild: [building, { errorMessage: "no space left", errorCode: "disk", retryable: false }],
      recordRuntime: [building, launchedRuntime],
      endRuntime: [
        building,
        { status: "failed", reason: "crashed", errorCode: "137", errorMessage: "killed", resourceId: "container" }
      ],
      finishTeardown: [teardownLease],
      failTeardown: [teardownLease, { errorMessage: "no route to host", errorCode: "unreachable", retryable: true }],
      cancel: [{ ...owned, id: queued.sandbox.id, reason: "no longer needed" }],
      stop: [{ ...owned, id: queued.sandbox.id }],
      extend: [{ ...owned, id: queued.sandbox.id, until: DateTime.unsafeMake("2100-01-01") }],
      touch: [{ ...owned, id: queued.sandbox.id }],
      delete: [{ ...owned, id: queued.sandbox.id }],
      timeline: [{ ...owned, id: sandbox, limit: 10 }],
      getDetail: [{ ...owned, id: sandbox }],
      list: [{ ...owned, statuses: ["queued"], includeArchived: true, limit: 10 }],
      listAll: [{ statuses: ["queued"], includeArchived: true, limit: 10 }],
      stats: [],
      listAttempts: [{ ...owned, id: sandbox, limit: 10 }],
      supervise: [{ limit: 10, runtimeDeadline: "1 hour" }]
    },
    ControlPlaneEvents: {
      journal: [],
      list: [{ ...owned, subjectType: "sandbox", subjectId: sandbox, afterSequence: 0, limit: 10 }],
      read: [{ afterPosition: 0, limit: 10 }],
      tail: [{ afterPosition: 0 }],
      search: [
        {
          subjectTypes: ["sandbox", "job"],
          subjectId: sandbox,
          eventType: "launch",
          toState: "queued",
          actorType: "user",
          actorId: ada,
          beforePosition: 1000,
          limit: 10
        }
      ],
      getByPosition: [1],
      activity: [{ subjectType: "job", since: DateTime.unsafeMake(0), intervalMs: 60_000 }],
      position: ["mailer"],
      acknowledge: [{ consumer: "mailer", position: 1 }],
      recordBackup: [{ file: "sealant.sqlite", bytes: 4096 }],
      // A handler that dies, because nothing else ends the stream.
      consume: [{ consumer: "mailer", batchSize: 10 }, () => Effect.interrupt]
    }
  }
}
