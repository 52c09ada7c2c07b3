/**
 * Every endpoint of the Dashboard: what it returns, what it never returns, and what an action changes.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import {
  ControlPlaneEvents,
  IssueWorkflowExecutionRepo,
  SandboxLifecycle,
  SecretVault,
  SessionRepo,
  WorkspaceBuildJobRepo
} from "@sealant/db"
import { DashboardApi } from "@sealant/db/dashboard"
import { Factories } from "@sealant/db/testing"
import { Clock, DateTime, Effect, Redacted } from "effect"
import { openServer, type TestServer } from "./support.js"

const { make } = Factories

/** Ends a script, colours a terminal, and reverses the direction of text. */
const hostile = "</script><script>alert(1)</script>\u001b[31mred\u001b[0m\u202Eevil"

const sentinel = "correct-horse-battery-staple"

/** Stores a row of each kind, with hostile text in each text that a person or a program can set, and secrets. */
const seed = Effect.gen(function* () {
  const jobs = yield* WorkspaceBuildJobRepo
  const user = yield* make.user({ name: hostile })
  const launched = yield* make.launch({ sandbox: { ownerUserId: user.id, name: hostile } })
  const failed = yield* make.launch({ sandbox: { ownerUserId: user.id } })
  yield* jobs.failQueued({ id: failed.job.id, errorMessage: hostile, errorCode: "disk" })
  const claimed = yield* make.claimedJob({ workerId: "worker-a" })
  const delivery = yield* make.webhookDelivery({ payload: { issue: { id: 7, title: hostile } } })
  const issue = yield* make.issue({ title: hostile })
  const workflow = yield* make.workflow({ issueId: issue.id, ownerUserId: user.id })
  const execution = yield* make.execution({ issueWorkflowId: workflow.id })
  const executions = yield* IssueWorkflowExecutionRepo
  yield* executions.appendEvents({
    executionId: execution.id,
    events: [{ phase: "build", level: "info", eventType: "log", message: hostile, payload: { text: hostile } }]
  })
  const artifact = yield* make.executionArtifact({ executionId: execution.id, inlineJson: { text: hostile } })
  const vault = yield* SecretVault
  yield* vault.create({ ownerUserId: user.id, name: "token", value: Redacted.make(sentinel) })
  yield* make.account({ userId: user.id, accessToken: Redacted.make(`${sentinel}-access`) })
  const now = yield* Clock.currentTimeMillis
  const sessions = yield* SessionRepo
  yield* sessions.create({
    userId: user.id,
    token: Redacted.make(`${sentinel}-session`),
    expiresAt: DateTime.unsafeMake(now + 60_000)
  })
  return { user, launched, failed, claimed, delivery, issue, workflow, execution, artifact }
})

describe("the API of the Dashboard", () => {
  let server: TestServer
  let rows: Effect.Effect.Success<typeof seed>
  beforeAll(async () => {
    server = await openServer()
    rows = await server.run(Effect.orDie(seed))
  }, 60_000)
  afterAll(() => server.close())

  /** A valid URL of each read, by group and name. */
  const urls = (): Readonly<Record<string, string>> => ({
    "session.config": "/api/config",
    "overview.get": "/api/overview?minutes=60",
    "overview.search": `/api/search?id=${rows.launched.sandbox.id}`,
    "jobs.list": "/api/jobs",
    "jobs.count": "/api/jobs/count?statuses=failed",
    "jobs.get": `/api/jobs/${rows.failed.job.id}`,
    "sandboxes.list": "/api/sandboxes",
    "sandboxes.get": `/api/sandboxes/${rows.launched.sandbox.id}`,
    "sandboxes.attempts": `/api/sandboxes/${rows.launched.sandbox.id}/attempts`,
    "sandboxes.timeline": `/api/sandboxes/${rows.launched.sandbox.id}/timeline`,
    "workflows.list": "/api/workflows",
    "workflows.get": `/api/workflows/${rows.workflow.id}`,
    "workflows.executions": `/api/workflows/${rows.workflow.id}/executions`,
    "workflows.execution": `/api/executions/${rows.execution.id}`,
    "workflows.executionEvents": `/api/executions/${rows.execution.id}/events`,
    "webhooks.list": "/api/webhooks",
    "webhooks.get": `/api/webhooks/${rows.delivery.id}`,
    "events.list": "/api/events",
    "events.get": "/api/events/1",
    "database.tables": "/api/database/tables",
    "database.diagrams": "/api/database/diagrams",
    "database.migrations": "/api/database/migrations",
    "database.retention": "/api/database/retention",
    "database.backups": "/api/database/backups",
    "database.verifyBackup": "/api/database/backups/none.sqlite/verification",
    "database.keys": "/api/database/keys",
    "database.doctor": "/api/database/doctor",
    "payloads.job": `/api/jobs/${rows.failed.job.id}/payload`,
    "payloads.webhook": `/api/webhooks/${rows.delivery.id}/payload`,
    "payloads.executionEvent": `/api/executions/${rows.execution.id}/events/1/payload`,
    "payloads.artifact": `/api/artifacts/${rows.artifact.id}/content`
  })

  /** The streams have a test of their own. */
  const streams = ["overview.live", "workflows.executionLive"]

  it("answers every read with JSON that has neither secrets nor ciphertext, and texts as texts", async () => {
    const reads = Object.entries(DashboardApi.paths).flatMap(([group, endpoints]) =>
      Object.entries(endpoints).flatMap(([name, [method]]) => (method === "GET" ? [`${group}.${name}`] : []))
    )
    expect(Object.keys(urls()).toSorted()).toEqual(reads.filter((name) => !streams.includes(name)).toSorted())
    const stored = await server.run(
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql<{ readonly text: string }>`
          SELECT encrypted_value AS text FROM secret_versions UNION ALL SELECT wrapped_data_key FROM secret_versions
          UNION ALL SELECT access_token FROM account UNION ALL SELECT token FROM session`
      )
    )
    const secrets = [sentinel, ...stored.map(({ text }) => text).filter((text) => typeof text === "string")]
    expect(secrets.length).toBeGreaterThan(3)
    for (const [name, url] of Object.entries(urls())) {
      const answer = await server.get(url)
      expect(answer.status, `${name} ${answer.text}`).toBe(name === "database.verifyBackup" ? 409 : 200)
      expect(answer.headers["content-type"], name).toBe("application/json")
      for (const secret of secrets)
        expect(answer.text.includes(secret), `${name} contains ${secret.slice(0, 5)}`).toBe(false)
      // Control characters are escaped in JSON, so that a terminal that prints a response is safe, too.
      expect(answer.text, name).not.toContain("\u001b")
    }
    expect(JSON.stringify((await server.get(urls()["sandboxes.get"] ?? "")).json)).toContain(
      JSON.stringify(hostile).slice(1, -1)
    )
  }, 60_000)

  it("returns times in ISO 8601 and omits absent fields", async () => {
    const { json } = await server.get(`/api/jobs?statuses=failed`)
    expect(json).toMatchObject({ items: [{ job: { createdAt: expect.stringMatching(/^\d{4}-.*Z$/) } }] })
    for (const url of ["/api/jobs", "/api/webhooks", "/api/sandboxes"]) {
      expect((await server.get(url)).text, url).not.toMatch(/null|At":\d/)
    }
  })

  it("filters jobs by owner, worker, error code and time, and counts those that can be redriven", async () => {
    const idsOf = async (query: string) => {
      const { json } = await server.get(`/api/jobs?${query}`)
      return JSON.stringify(json)
    }
    expect(await idsOf(`ownerUserId=${rows.user.id}`)).toContain(rows.launched.job.id)
    expect(await idsOf(`ownerUserId=${rows.user.id}`)).not.toContain(rows.claimed.job.id)
    expect(await idsOf("workerId=worker-a")).toContain(rows.claimed.job.id)
    expect(await idsOf("errorCode=disk")).toContain(rows.failed.job.id)
    expect(await idsOf("errorCode=other")).toBe('{"items":[]}')
    expect(await idsOf("createdBefore=2020-01-01T00:00:00Z")).toBe('{"items":[]}')
    expect((await server.get("/api/jobs/count?errorCode=disk")).json).toEqual({ count: 1, redrivable: 1 })
  })

  it("shows the workers with their jobs, and the job with its attempts", async () => {
    const { json } = await server.get("/api/overview")
    expect(json).toMatchObject({ workers: [{ workerId: "worker-a", jobs: [{ id: rows.claimed.job.id }] }] })
    expect((await server.get(`/api/jobs/${rows.failed.job.id}`)).json).toMatchObject({
      job: { status: "failed", errorMessage: hostile, errorCode: "disk" },
      attempt: { ownerUserId: rows.user.id },
      sandbox: { id: rows.failed.sandbox.id }
    })
  })

  it("finds rows by any id", async () => {
    const found = async (id: string) => (await server.get(`/api/search?id=${encodeURIComponent(` ${id} `)}`)).json
    expect(await found(rows.launched.job.id)).toMatchObject([{ kind: "job" }])
    expect(await found(rows.launched.sandbox.id)).toMatchObject([{ kind: "sandbox", label: hostile }])
    expect(await found(rows.launched.attempt.id)).toMatchObject([{ kind: "attempt", pageId: rows.launched.sandbox.id }])
    expect(await found(rows.execution.id)).toMatchObject([{ kind: "execution" }])
    expect(await found(rows.issue.id)).toMatchObject([{ kind: "issue", pageId: rows.workflow.id }])
    expect(await found(rows.delivery.deliveryId)).toMatchObject([{ kind: "delivery", id: rows.delivery.id }])
    expect(await found(rows.user.id)).toMatchObject([{ kind: "user", label: hostile }])
    expect(await found("nothing")).toEqual([])
  })

  it("changes the priority of a queued job, which its page contains", async () => {
    const { job } = await server.run(make.launch())
    const path = `/api/jobs/${job.id}`
    expect((await server.post(`${path}/priority`, { priority: 1 })).json).toEqual({ id: job.id, status: "queued" })
    expect((await server.get(path)).json).toMatchObject({ job: { priority: 1 } })
    await server.post(`${path}/cancel`, { reason: "over" })
    expect(await server.post(`${path}/priority`, { priority: 2 })).toMatchObject({
      status: 409,
      json: { _tag: "InvalidTransition" }
    })
  })

  it("redrives all jobs of a filter, with an event of the operator for each", async () => {
    expect((await server.post("/api/jobs/redrive", { errorCode: "disk", limit: 10 })).json).toEqual({
      redriven: 1,
      left: 0
    })
    const events = await server.run(
      Effect.flatMap(ControlPlaneEvents, (journal) =>
        journal.search({ subjectId: rows.failed.job.id, actorType: "operator" })
      )
    )
    expect(events.items).toMatchObject([{ eventType: "redrive" }])
    expect((await server.post(`/api/jobs/${rows.failed.job.id}/fail`, { message: "no worker" })).json).toEqual({
      id: rows.failed.job.id,
      status: "failed"
    })
    expect(await server.post(`/api/jobs/${rows.failed.job.id}/cancel`, { reason: "late" })).toMatchObject({
      status: 409,
      json: { _tag: "InvalidTransition" }
    })
  })

  it("stops, retries and extends a sandbox, with events of the operator", async () => {
    const { sandbox } = await server.run(make.launch())
    const until = "2100-01-01T00:00:00.000Z"
    expect((await server.post(`/api/sandboxes/${sandbox.id}/extend`, { until })).status).toBe(200)
    expect((await server.post(`/api/sandboxes/${sandbox.id}/stop`)).json).toEqual({ id: sandbox.id, status: "stopped" })
    const retried = await server.post(`/api/sandboxes/${sandbox.id}/retry`)
    expect(retried.json).toMatchObject({ id: sandbox.id, jobId: expect.any(String) })
    const detail = await server.run(
      Effect.flatMap(SandboxLifecycle, (lifecycle) =>
        lifecycle.getDetail({ id: sandbox.id, ownerUserId: sandbox.ownerUserId })
      )
    )
    expect(detail.status).toBe("queued")
    const { json } = await server.get(`/api/events?subjectId=${sandbox.id}&actorType=operator`)
    expect(JSON.stringify(json)).toMatch(/"eventType":"retry".*"eventType":"stop"/)
    expect(await server.post("/api/sandboxes/none/stop")).toMatchObject({ status: 404, json: { _tag: "NotFound" } })
  })

  it("refuses to redeliver a delivery that is being processed", async () => {
    const { lease } = await server.run(make.claimedDelivery({ workerId: "worker-b" }))
    expect(await server.post(`/api/webhooks/${lease.deliveryId}/redeliver`)).toMatchObject({ status: 409 })
  })
})
