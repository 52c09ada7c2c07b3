/**
 * The main flows over HTTP with a generated client: requests that create and change records, a worker that claims and
 * reports, readers, and refused requests.
 */
import { expect, it } from "@effect/vitest"
import { BuildWorker, RuntimeWorker, WorkspaceBuildJobRepo } from "@sealant/db"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import { createHmac } from "node:crypto"
import { handler } from "../../examples/control-plane/builder.js"
import { type Client, signUp } from "../../examples/control-plane/client.js"
import { watch } from "../../examples/control-plane/watching.js"
import { shell } from "../support/lists.js"
import { refusalOf } from "../support/refusals.js"
import { baseUrl, memoryServer, webhookSecret } from "./support.js"

const spec = { source: "https://github.com/acme/app", harness: "opencode", env: { TOKEN: "hush-hush" } } as const

const launch = ({ api }: Client, key: string, name = "app") =>
  api.sandboxes.launch({ headers: { "idempotency-key": key }, payload: { name, spec } })

const worker = BuildWorker.run(handler, { workerId: "worker", concurrency: 4 })

/** Tears down runtimes, whose removal succeeds at once. */
const runtimeWorker = RuntimeWorker.run({ stop: () => Effect.void }, { workerId: "worker", supervise: false })

/** Sends what a generated client would not. */
const send = (path: string, init: RequestInit = {}) =>
  Effect.flatMap(baseUrl, (url) =>
    Effect.promise(async () => {
      const answer = await fetch(`${url}${path}`, { method: "POST", ...init })
      return { status: answer.status, body: await answer.text() }
    })
  )

/** The cookie of a new session, for requests by hand. */
const cookieOf = (name: string) =>
  Effect.flatMap(baseUrl, (url) =>
    Effect.promise(async () => {
      const body = JSON.stringify({ name, email: `${name}@example.com`, password: "correct horse battery" })
      const answer = await fetch(`${url}/api/auth/sign-up/email`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body
      })
      return answer.headers
        .getSetCookie()
        .map((cookie) => cookie.split(";")[0])
        .join("; ")
    })
  )

it.scopedLive("an owner launches, builds, views, stops and retries a sandbox", () =>
  Effect.gen(function* () {
    const ada = yield* signUp(yield* baseUrl, "Ada")
    const first = yield* launch(ada, "one")
    expect([first.created, first.sandbox.status, first.job.status]).toEqual([true, "queued", "queued"])
    const again = yield* launch(ada, "one")
    expect([again.created, again.sandbox.id, again.job.id]).toEqual([false, first.sandbox.id, first.job.id])

    const building = yield* Effect.fork(worker)
    const path = { id: first.sandbox.id }
    const ready = yield* Effect.repeat(ada.api.sandboxes.get({ path }), { until: ({ status }) => status === "ready" })
    expect(Option.map(ready.runtime, ({ status }) => status)).toEqual(Option.some("running"))
    expect(JSON.stringify(ready)).not.toContain("hush-hush")
    const events = yield* ada.api.sandboxes.events({ path })
    expect(events.map(({ toState }) => Option.getOrNull(toState))).toEqual(["queued", "running", "ready"])
    expect(events.map(({ actorType }) => actorType)).toEqual(["user", "worker", "worker"])

    expect((yield* ada.api.sandboxes.stop({ path })).status).toBe("stopped")
    const listed = (status: "stopping" | "stopped") =>
      Effect.map(ada.api.sandboxes.list({ urlParams: { status } }), ({ items }) => items.length)
    expect([yield* listed("stopping"), yield* listed("stopped")]).toEqual([1, 0])
    const tearingDown = yield* Effect.fork(runtimeWorker)
    yield* Effect.repeat(ada.api.sandboxes.get({ path }), { until: ({ status }) => status === "stopped" })
    expect([yield* listed("stopping"), yield* listed("stopped")]).toEqual([0, 1])
    const retried = yield* ada.api.sandboxes.retry({ path })
    expect(retried.attempt.id).not.toBe(first.attempt.id)
    yield* Effect.repeat(ada.api.sandboxes.get({ path }), { until: ({ status }) => status === "ready" })
    yield* Fiber.interruptAll([building, tearingDown])
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("an agent works on an issue, and an interrupted reader of its events continues at its position", () =>
  Effect.gen(function* () {
    const ada = yield* signUp(yield* baseUrl, "Ada")
    const payload = { repository: { owner: "acme", name: "app" }, issue: { number: 7, title: "It breaks" } }
    const { created, workflow } = yield* ada.api.workflows.open({ payload })
    expect([created, (yield* ada.api.workflows.open({ payload })).workflow.id]).toEqual([true, workflow.id])
    const start = ada.api.workflows.start({
      path: { id: workflow.id },
      headers: { "idempotency-key": "one" },
      payload: { name: "agent", spec }
    })
    const { execution } = yield* start
    expect((yield* start).execution.id).toBe(execution.id)

    const told = yield* Deferred.make<void>()
    const cutOff = yield* watch(ada.http, execution.id).pipe(
      Stream.tap(() => Deferred.succeed(told, undefined)),
      Stream.take(1),
      Stream.runCollect,
      Effect.fork
    )
    yield* Effect.fork(worker)
    yield* Deferred.await(told)
    const [seen] = yield* Fiber.join(cutOff)
    const rest = yield* Stream.runCollect(watch(ada.http, execution.id, seen?.id))
    expect([seen, ...rest].map((event) => event?.id)).toEqual([1, 2, 3, 4])
    expect(JSON.parse(seen?.data ?? "")).toMatchObject({ message: "read the issue", sequence: 1 })

    const detail = yield* ada.api.executions.get({ path: { id: execution.id } })
    expect(detail.execution.status).toBe("succeeded")
    expect(detail.validationResults.map(({ checkKey, status }) => `${checkKey} ${status}`)).toEqual(["tests pass"])
    expect((yield* ada.api.workflows.get({ path: { id: workflow.id } })).workflow.status).toBe("completed")
    expect(
      (yield* ada.api.executions.events({ path: { id: execution.id }, urlParams: { limit: 3 } })).items
    ).toHaveLength(3)
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("rows of another owner are a 404, and an idempotency key belongs to its owner", () =>
  Effect.gen(function* () {
    const url = yield* baseUrl
    const ada = yield* signUp(url, "Ada")
    const eve = yield* signUp(url, "Eve")
    const { sandbox } = yield* launch(ada, "one")
    const path = { id: sandbox.id }
    for (const method of ["get", "stop", "retry", "rebuild"] as const) {
      expect(
        yield* refusalOf(
          Effect.asVoid(eve.api.sandboxes[method]({ path }) as Effect.Effect<unknown, { readonly _tag: string }>)
        ),
        method
      ).toMatchObject({ _tag: "NotFound" })
    }
    expect(yield* eve.api.sandboxes.events({ path })).toEqual([])
    expect((yield* eve.api.sandboxes.list({ urlParams: {} })).items).toEqual([])
    expect((yield* launch(eve, "one")).sandbox.id).not.toBe(sandbox.id)
    expect(yield* refusalOf(launch(ada, "one", "another name"))).toMatchObject({ _tag: "IdempotencyConflict" })

    const payload = { repository: { owner: "acme", name: "app" }, issue: { number: 7, title: "It breaks" } }
    const { workflow } = yield* ada.api.workflows.open({ payload })
    const told = { ...payload, issue: { number: 7, title: "Eve was here" } }
    expect(yield* refusalOf(eve.api.workflows.open({ payload: told }))).toMatchObject({ _tag: "AlreadyExists" })
    expect((yield* ada.api.workflows.get({ path: { id: workflow.id } })).issue.title).toBe("It breaks")
    const { execution } = yield* ada.api.workflows.start({
      path: { id: workflow.id },
      headers: {},
      payload: { name: "agent", spec }
    })
    expect(yield* refusalOf(eve.api.workflows.get({ path: { id: workflow.id } }))).toMatchObject({ _tag: "NotFound" })
    expect(yield* refusalOf(eve.api.executions.get({ path: { id: execution.id } }))).toMatchObject({ _tag: "NotFound" })
    expect(yield* refusalOf(Stream.runDrain(watch(eve.http, execution.id)))).toMatchObject({
      _tag: "ResponseError",
      response: { status: 404 }
    })
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("a worker with a lost lease writes nothing, and reports it", () =>
  Effect.gen(function* () {
    const ada = yield* signUp(yield* baseUrl, "Ada")
    const { sandbox } = yield* launch(ada, "one")
    const jobs = yield* WorkspaceBuildJobRepo
    const claim = Effect.flatten(jobs.claimNext({ workerId: "slow", leaseDuration: "1 milli" }))
    const { lease } = yield* claim
    yield* Effect.repeat(Effect.option(jobs.claimNext({ workerId: "quick", leaseDuration: "1 minute" })), {
      until: (claimed) => Option.isSome(Option.flatten(claimed))
    })
    expect(yield* refusalOf(jobs.fail(lease, { errorMessage: "late" }))).toMatchObject({
      _tag: "LeaseLost",
      reason: "superseded"
    })
    expect((yield* ada.api.sandboxes.get({ path: { id: sandbox.id } })).status).toBe("running")
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("invalid requests are refused with their status, and the response does not contain the input", () =>
  Effect.gen(function* () {
    const cookie = yield* cookieOf("ada")
    const headers = { cookie, "content-type": "application/json" }
    const refusals = [
      [401, "SignedOut", yield* send("/sandboxes", { method: "GET" })],
      [400, "MalformedBody", yield* send("/sandboxes", { headers, body: '{"name": hush-hush' })],
      [
        400,
        "InvalidInput",
        yield* send("/sandboxes", {
          headers,
          body: JSON.stringify({ name: "app", spec: { env: { TOKEN: 7, OTHER: "hush-hush" } } })
        })
      ],
      [400, "InvalidInput", yield* send("/sandboxes", { headers, body: JSON.stringify({ name: "", spec }) })],
      [400, "InvalidInput", yield* send("/sandboxes?status=hush-hush", { method: "GET", headers: { cookie } })],
      [400, "InvalidInput", yield* send("/sandboxes?cursor=hush-hush", { method: "GET", headers: { cookie } })],
      [404, "NotFound", yield* send("/sandboxes/unheard-of", { method: "GET", headers: { cookie } })],
      [
        400,
        "InvalidInput",
        yield* send("/executions/x/events/stream", { method: "GET", headers: { cookie, "last-event-id": "-5" } })
      ],
      [404, "NotFound", yield* send("/executions/unheard-of", { method: "GET", headers: { cookie } })],
      [
        413,
        "BodyTooLarge",
        yield* send("/sandboxes", { headers, body: JSON.stringify({ name: "hush-hush".repeat(200_000) }) })
      ]
    ] as const
    for (const [status, tag, { body, ...answer }] of refusals) {
      expect([answer.status, JSON.parse(body)._tag, body.includes("hush-hush")], body).toEqual([status, tag, false])
    }
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("an agent whose workflow was cancelled ends without an error, and its sandbox remains", () =>
  Effect.gen(function* () {
    const ada = yield* signUp(yield* baseUrl, "Ada")
    const payload = { repository: { owner: "acme", name: "app" }, issue: { number: 7, title: "It breaks" } }
    const { workflow } = yield* ada.api.workflows.open({ payload })
    const { sandbox } = yield* ada.api.workflows.start({
      path: { id: workflow.id },
      headers: {},
      payload: { name: "agent", spec }
    })
    yield* ada.api.workflows.cancel({ path: { id: workflow.id }, payload: { reason: "no need" } })
    yield* Effect.fork(worker)
    const path = { id: Option.getOrThrow(sandbox).id }
    const ended = yield* Effect.repeat(ada.api.sandboxes.get({ path }), {
      until: ({ job }) => Option.exists(job, ({ finishedAt }) => Option.isSome(finishedAt))
    })
    expect([ended.status, Option.map(ended.job, ({ attemptCount, status }) => `${status} ${attemptCount}`)]).toEqual([
      "ready",
      Option.some("succeeded 1")
    ])
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("unreadable sessions are a 503", () =>
  Effect.gen(function* () {
    const cookie = yield* cookieOf("ada")
    yield* shell("ALTER TABLE session RENAME TO elsewhere")
    const { body, status } = yield* send("/sandboxes", { method: "GET", headers: { cookie } })
    expect([status, JSON.parse(body)._tag]).toEqual([503, "SessionsUnavailable"])
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("a signed delivery of GitHub is stored once, and an unsigned one is refused", () =>
  Effect.gen(function* () {
    // Longer than any other body may be.
    const body = JSON.stringify({
      action: "opened",
      installation: { id: 7 },
      issue: { number: 1, body: "x".repeat(2_000_000) }
    })
    const signature = `sha256=${createHmac("sha256", webhookSecret).update(body).digest("hex")}`
    const headers = {
      "content-type": "application/json",
      "x-github-delivery": "guid",
      "x-github-event": "issues",
      "x-hub-signature-256": signature
    }
    expect(yield* send("/webhooks/github", { headers, body })).toEqual({ status: 202, body: '{"created":true}' })
    expect(yield* send("/webhooks/github", { headers, body })).toEqual({ status: 202, body: '{"created":false}' })
    expect((yield* send("/webhooks/github", { headers, body: `${body} ` })).status).toBe(401)
    expect((yield* send("/webhooks/github", { headers: { ...headers, "x-hub-signature-256": "" }, body })).status).toBe(
      401
    )
  }).pipe(Effect.provide(memoryServer))
)

it.scopedLive("the OpenAPI document lists every error response", () =>
  Effect.gen(function* () {
    const { body, status } = yield* send("/docs", { method: "GET" })
    expect(status).toBe(200)
    for (const text of ["/sandboxes/{id}/events", "IdempotencyConflict", "text/event-stream", "BodyTooLarge"])
      expect(body).toContain(text)
  }).pipe(Effect.provide(memoryServer))
)
