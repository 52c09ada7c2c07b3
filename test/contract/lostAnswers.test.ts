/**
 * Every operation of lifecycles, inbox and queue, on a server whose answer to the commit is lost: a repeat of the call leaves
 * the same rows as a single call. A new method must declare the result of a repeat here.
 */
import type { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option, Scope, TestContext } from "effect"
import { join } from "node:path"
import * as db from "@sealant/db"
import { Factories } from "@sealant/db/testing"
import { KeyRing } from "../../src/secret/KeyRing.js"
import * as Database from "../../src/Database.js"
import { testKey } from "../../src/testing/secrets.js"
import { samplesOf } from "./samples.js"
import { services } from "./services.js"
import { call, dump } from "./walk.js"
import { makeFixture, type Fixture } from "./fixtureRows.js"
import { type FaultyServer, migrated, openServerOf } from "../support/database.js"
import type { Fault, FaultInjection } from "../support/hrana/Peer.js"
import { shell } from "../support/lists.js"
import { marking, marks, worker } from "../github/inboxSupport.js"
import { temporaryDirectory } from "../support/directories.js"

const layer = Layer.provideMerge(db.ControlPlane.layer, Layer.orDie(KeyRing.layer([testKey])))

/** The result of repeating a call that was committed without an answer. */
type Repeat =
  /** Succeeds and changes nothing. */
  | "the same"
  /** Fails, because the transition has happened. */
  | "InvalidTransition"
  | "NotFound"
  /** Returns another row or none: the first one is available again when its lease expires. */
  | "another"
  /** Has several commits: the first is kept, and the repeat does the rest. */
  | "continues"
  /** Writes nothing, so no answer to a commit can be lost. */
  | "reads"
  /** Handles the lost answer itself. */
  | "alone"

interface Operation {
  readonly repeat: Repeat
  /** Rows that the operation needs beside those of the fixture. */
  readonly prepare?: (
    fixture: Fixture
  ) => Effect.Effect<unknown, unknown, db.ControlPlane.Services | SqlClient.SqlClient>
}

type Operations = Readonly<Record<string, Operation | Repeat>>

const expiring = () => shell("UPDATE oci_image_build_jobs SET lease_expires_at = 1000 WHERE status = 'running'")

const expiringTeardown = () => shell("UPDATE runtime_teardowns SET lease_expires_at = 1000 WHERE status = 'running'")

const expired = () => shell("UPDATE oci_image_build_jobs SET lease_expires_at = 0 WHERE status = 'running'")

const requeued = ({ launched }: Fixture) =>
  shell(
    `UPDATE oci_image_build_jobs SET status = 'queued', attempt_count = 0, claimed_at = NULL, worker_id = NULL, started_at = NULL,
       finished_at = NULL, cancel_reason = NULL, run_settled_at = NULL WHERE id = ?`,
    launched.job.id
  )

/** A failed sandbox with an execution in it. */
const failedWithExecution = ({ waiting }: Fixture) =>
  Effect.flatMap(
    Factories.make.launch({ sandbox: { ownerUserId: "ada", status: "failed" }, job: { status: "failed" } }),
    ({ attempt, sandbox }) =>
      shell(
        "UPDATE issue_workflow_executions SET sandbox_id = ?, sandbox_attempt_id = ? WHERE id = ?",
        sandbox.id,
        attempt.id,
        waiting.id
      )
  )

const operations: Readonly<
  Record<
    "SandboxLifecycle" | "IssueWorkflowLifecycle" | "WebhookInbox" | "RuntimeTeardownRepo" | "WorkspaceBuildJobRepo",
    Operations
  >
> = {
  SandboxLifecycle: {
    launch: "the same",
    retry: "InvalidTransition",
    rebuild: "InvalidTransition",
    beginBuild: "the same",
    publishBuild: "the same",
    finishBuild: "the same",
    failBuild: "the same",
    recordRuntime: "the same",
    endRuntime: "the same",
    finishTeardown: "the same",
    failTeardown: "the same",
    cancel: "the same",
    stop: "the same",
    extend: "the same",
    touch: "the same",
    delete: "NotFound",
    supervise: { repeat: "continues", prepare: expired },
    findLaunch: "reads",
    getDetail: "reads",
    timeline: "reads",
    listAttempts: "reads",
    list: "reads",
    listAll: "reads",
    stats: "reads"
  },
  IssueWorkflowLifecycle: {
    open: "the same",
    startExecution: "the same",
    beginExecution: "the same",
    report: "the same",
    finish: "the same",
    cancel: "the same",
    supervise: { repeat: "the same", prepare: failedWithExecution },
    getDetail: "reads",
    list: "reads",
    listAll: "reads"
  },
  WebhookInbox: {
    receive: "the same",
    // A loop over `process`, which is tested below.
    process: "alone",
    run: "alone"
  },
  RuntimeTeardownRepo: {
    claimNext: "another",
    claimById: "another",
    heartbeat: { repeat: "the same", prepare: expiringTeardown },
    release: "the same",
    findById: "reads",
    getById: "reads",
    listByStatus: "reads",
    stats: "reads"
  },
  WorkspaceBuildJobRepo: {
    enqueue: "the same",
    enqueueMany: "the same",
    succeedMany: "the same",
    failMany: "the same",
    setPriority: "the same",
    nextDueAt: "reads",
    claimNext: "another",
    claimBatch: "another",
    claimById: "another",
    heartbeat: { repeat: "the same", prepare: expiring },
    succeed: "the same",
    fail: "the same",
    release: "the same",
    cancel: "the same",
    failQueued: "the same",
    cancelLatestByAttemptId: { repeat: "the same", prepare: requeued },
    redrive: "the same",
    redriveMany: "the same",
    reapExpired: { repeat: "the same", prepare: expired },
    markSettled: "the same",
    getByLease: "reads",
    findById: "reads",
    getById: "reads",
    findByIdempotencyKey: "reads",
    findLatestByPlanHash: "reads",
    findLatestByAttemptId: "reads",
    findLatestStateByAttemptId: "reads",
    listLatestByAttemptIds: "reads",
    listByStatus: "reads",
    list: "reads",
    count: "reads",
    getDetail: "reads",
    stats: "reads"
  }
}

/** The fixture in a file. Each test gets a copy. */
const makeTemplate = Effect.gen(function* () {
  const file = join(yield* temporaryDirectory, "fixture.sqlite")
  const fixture = yield* Effect.provide(
    makeFixture,
    layer.pipe(Layer.provideMerge(migrated), Layer.provideMerge(Database.layer({ filePath: file })))
  )
  return { file, fixture }
}).pipe(Effect.provide(TestContext.TestContext))

const scope = Effect.runSync(Scope.make())
const template = Effect.runSync(Effect.cached(Scope.extend(makeTemplate, scope)))

beforeAll(() => Effect.runPromise(template))
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Runs an effect on a server with a copy of the fixture. */
const onServer = <A, E>(
  use: (
    server: FaultyServer,
    fixture: Fixture
  ) => Effect.Effect<A, E, db.ControlPlane.Services | KeyRing | SqlClient.SqlClient>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { file, fixture } = yield* template
      const server = yield* openServerOf(file)
      return yield* Effect.provide(
        use(server, fixture),
        Layer.provideMerge(layer, Layer.orDie(Database.layerRemote({ url: server.url })))
      )
    })
  )

/** Applies the fault to the first commit: of a transaction, or of a single writing statement. */
const atCommit = (fault: Fault) => {
  let inside = false
  let met = false
  const faultInjection: FaultInjection = (statements) => {
    const alone = !inside && !statements.some((text) => text.startsWith("BEGIN"))
    inside = (inside || !alone) && !statements.some((text) => /^(COMMIT|ROLLBACK)$/.test(text))
    const commits =
      statements.includes("COMMIT") || (alone && statements.some((text) => /\b(INSERT|UPDATE|DELETE)\b/.test(text)))
    if (met || !commits) return undefined
    met = true
    return fault
  }
  return { faultInjection, met: () => met }
}

/** Runs an effect with the fault on the first commit, and returns whether the fault occurred. */
const losing =
  (server: FaultyServer, fault: Fault) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const { faultInjection, met } = atCommit(fault)
      server.faultInjection = faultInjection
      return Effect.map(effect, (value) => {
        server.faultInjection = undefined
        server.expireStreams()
        return { value, met: met() }
      })
    })

const lost = { _tag: "PersistenceError", reason: "Unavailable" }

const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? undefined : Option.getOrElse(Cause.failureOption(exit.cause), () => exit.cause)

const rows = Effect.map(dump, (found) => [...found].toSorted())

/** The ids of the claimed jobs or teardowns. */
const jobsIn = (exit: Exit.Exit<unknown, unknown>) =>
  [...JSON.stringify(exit).matchAll(/"(?:jobId|teardownId)":"([^"]+)"/g)].map(([, id]) => id)

const operationOf = (operation: Operation | Repeat): Operation =>
  typeof operation === "string" ? { repeat: operation } : operation

describe.each(Object.entries(operations))("%s, when the answer to a commit is lost", (name, methods) => {
  const tag = services.find((service) => service.name === name)?.tag
  if (tag === undefined) throw new Error(`${name} is not exported`)
  const writing = Object.entries(methods).filter(
    ([, operation]) => operationOf(operation).repeat !== "reads" && operationOf(operation).repeat !== "alone"
  )
  const reading = Object.entries(methods).filter(([, operation]) => operationOf(operation).repeat === "reads")

  it.effect("has a declared result of a repeat for every method; reads lose nothing", () =>
    onServer((server, fixture) =>
      Effect.gen(function* () {
        const service = yield* tag
        expect(Object.keys(methods).toSorted()).toEqual(Object.keys(service).toSorted())
        for (const [method] of reading) {
          const { met, value } = yield* losing(
            server,
            "lost-answer"
          )(call(service, method, samplesOf(fixture)[name]?.[method] ?? []))
          expect([method, met, Exit.isSuccess(value)]).toEqual([method, false, true])
        }
      })
    )
  )

  describe.each(["lost-request", "lost-answer"] as const)("%s", (fault) => {
    it.effect.each(writing)("%s", ([method, operation]) =>
      onServer((server, fixture) =>
        Effect.gen(function* () {
          const service = yield* tag
          const { prepare, repeat } = operationOf(operation)
          const args = samplesOf(fixture)[name]?.[method] ?? []
          yield* prepare?.(fixture) ?? Effect.void
          const before = yield* rows
          const { met, value: first } = yield* losing(server, fault)(call(service, method, args))
          expect(met, "writes").toBe(true)
          expect(failureOf(first)).toMatchObject(lost)
          const meanwhile = yield* rows
          const again = yield* call(service, method, args)
          const after = yield* rows
          expect(after).not.toEqual(before)
          if (fault === "lost-request") {
            expect(meanwhile).toEqual(before)
            expect(failureOf(again)).toBeUndefined()
            return
          }
          expect(meanwhile).not.toEqual(before)
          if (repeat === "another") {
            // The jobs of the lost answer are leased and not returned again.
            const given = meanwhile.filter((row) => !before.includes(row))
            expect(jobsIn(again).filter((id) => given.some((row) => row.includes(`"id":"${id}"`)))).toEqual([])
          } else if (repeat === "continues") {
            expect(failureOf(again)).toBeUndefined()
            expect(yield* Effect.zipRight(call(service, method, args), rows)).toEqual(after)
          } else {
            expect(after).toEqual(meanwhile)
            if (repeat === "the same") expect(failureOf(again)).toBeUndefined()
            else expect(failureOf(again)).toMatchObject({ _tag: repeat })
          }
        })
      )
    )
  })
})

describe("a webhook whose end is not acknowledged", () => {
  it.effect.each(["lost-request", "lost-answer"] as const)("takes effect once (%s)", (fault) =>
    onServer((server) =>
      Effect.gen(function* () {
        const inbox = yield* db.WebhookInbox
        yield* shell("CREATE TABLE effects (delivery TEXT NOT NULL, attempt INTEGER NOT NULL)")
        // The claim is a commit, too. This fault is for the commit of the handler's transaction.
        const ending = (delivery: db.GitHubWebhookDelivery) =>
          Effect.zipRight(
            Effect.sync(() => {
              server.faultInjection = atCommit(fault).faultInjection
            }),
            marking(delivery)
          )
        const first = yield* inbox.process(worker, ending)
        expect(first).toMatchObject({
          _tag: "Some",
          value: { status: fault === "lost-answer" ? "processed" : "received" }
        })
        expect((yield* marks).length).toBe(fault === "lost-answer" ? 1 : 0)
        server.faultInjection = undefined
        server.expireStreams()
        yield* shell("UPDATE github_webhook_deliveries SET available_at = 0")
        expect((yield* inbox.process(worker, marking))._tag).toBe(fault === "lost-answer" ? "None" : "Some")
        expect((yield* marks).length).toBe(1)
      })
    )
  )
})
