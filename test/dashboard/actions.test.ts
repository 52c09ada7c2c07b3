/**
 * Every endpoint that writes: its success is one event of the journal with the operator as the actor.
 */
import { expect, it } from "@effect/vitest"
import { ControlPlaneEvents, GitHubWebhookDeliveryRepo, WorkspaceBuildJobRepo } from "@sealant/db"
import { DashboardApi } from "@sealant/db/dashboard"
import { Factories, type TestServices } from "@sealant/db/testing"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openServer, type TestServer } from "./support.js"

const { make } = Factories

interface Action {
  readonly path: string
  readonly body?: unknown
  /** The subject of the event. */
  readonly subject: string
  readonly event: string
}

const failedJob: Effect.Effect<string, never, TestServices> = Effect.gen(function* () {
  const { job } = yield* make.launch()
  const jobs = yield* WorkspaceBuildJobRepo
  yield* jobs.failQueued({ id: job.id, errorMessage: "no space", errorCode: "disk" })
  return job.id
}).pipe(Effect.orDie)

const queuedJob: typeof failedJob = Effect.map(Effect.orDie(make.launch()), ({ job }) => job.id)

const processedDelivery = Effect.gen(function* () {
  const { lease } = yield* make.claimedDelivery({ workerId: "worker" })
  const inbox = yield* GitHubWebhookDeliveryRepo
  yield* inbox.markProcessed(lease)
  return lease.deliveryId
})

/** A call of each endpoint that writes, on a row of its own. */
const actionsOn = (server: TestServer): Readonly<Record<string, () => Promise<Action>>> => {
  const onJob =
    (name: string, body: unknown, prepare: typeof failedJob = queuedJob) =>
    async () => {
      const subject = await server.run(prepare)
      return { path: `/api/jobs/${subject}/${name}`, body, subject, event: name === "priority" ? "setPriority" : name }
    }
  const onSandbox =
    (name: string, body?: unknown, isStopped = false) =>
    async () => {
      const { sandbox } = await server.run(make.launch())
      if (isStopped) expect((await server.post(`/api/sandboxes/${sandbox.id}/stop`)).status).toBe(200)
      return { path: `/api/sandboxes/${sandbox.id}/${name}`, body, subject: sandbox.id, event: name }
    }
  return {
    "jobActions.redrive": onJob("redrive", {}, failedJob),
    "jobActions.cancel": onJob("cancel", { reason: "a typo" }),
    "jobActions.fail": async () => ({ ...(await onJob("fail", { message: "no worker" })()), event: "failQueued" }),
    "jobActions.setPriority": onJob("priority", { priority: 1 }),
    "jobActions.redriveMany": async () => {
      const subject = await server.run(failedJob)
      return { path: "/api/jobs/redrive", body: { errorCode: "disk", limit: 1 }, subject, event: "redrive" }
    },
    "sandboxActions.stop": onSandbox("stop"),
    "sandboxActions.retry": onSandbox("retry", {}, true),
    "sandboxActions.rebuild": onSandbox("rebuild", {}, true),
    "sandboxActions.extend": onSandbox("extend", { until: "2100-01-01T00:00:00.000Z" }),
    "webhookActions.redeliver": async () => {
      const subject = await server.run(Effect.orDie(processedDelivery))
      return { path: `/api/webhooks/${subject}/redeliver`, subject, event: "redeliver" }
    },
    "databaseActions.backup": async () => ({ path: "/api/database/backups", subject: "database", event: "backup" })
  }
}

it("each success of an endpoint that writes is one event of its subject with the operator as the actor", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dashboard-"))
  const server = await openServer({ backupDirectory: directory })
  const actions = actionsOn(server)
  const endpoints = Object.entries(DashboardApi.paths).flatMap(([group, all]) =>
    // A session is in memory.
    group === "session"
      ? []
      : Object.entries(all).flatMap(([name, [method]]) => (method === "POST" ? [`${group}.${name}`] : []))
  )
  expect(Object.keys(actions).toSorted()).toEqual(endpoints.toSorted())
  const eventsOf = (subjectId: string) =>
    server.run(
      Effect.flatMap(ControlPlaneEvents, (journal) => journal.search({ subjectId, actorType: "operator", limit: 10 }))
    )
  for (const [name, prepare] of Object.entries(actions)) {
    const { body, event, path, subject } = await prepare()
    const before = (await eventsOf(subject)).items
    const answer = await server.post(path, body)
    expect(answer.status, `${name} ${answer.text}`).toBe(200)
    const { items } = await eventsOf(subject)
    expect(items.slice(0, items.length - before.length), name).toMatchObject([
      { eventType: event, actorId: { value: "alice" } }
    ])
  }
  await server.close()
  rmSync(directory, { recursive: true })
}, 60_000)
