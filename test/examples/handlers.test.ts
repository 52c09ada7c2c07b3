/**
 * Tests of the example's handlers as its users would write them: with stubs for what a test does not care about, and with
 * the real services in memory.
 */
import { HttpApiBuilder, HttpServer } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import {
  ControlPlaneEvents,
  IssueRepo,
  IssueWorkflowExecutionRepo,
  IssueWorkflowLifecycle,
  IssueWorkflowRepo,
  NotFound,
  PersistenceError,
  RepositoryRepo,
  SandboxLifecycle
} from "@sealant/db"
import { UserId } from "@sealant/db/auth"
import { Factories, layerTest } from "@sealant/db/testing"
import { Effect, Layer } from "effect"
import { Authentication } from "../../examples/control-plane/authentication.js"
import { requestsLayer } from "../../examples/control-plane/requests.js"
import { handlersLayer } from "../../examples/control-plane/server.js"

/** Everybody is Ada: signing in is not what these tests are about. */
const asAda = Layer.succeed(Authentication, { session: () => Effect.succeed({ id: UserId.make("ada") }) })

const api = Layer.mergeAll(handlersLayer, requestsLayer.pipe(Layer.provide(handlersLayer))).pipe(
  Layer.provideMerge(asAda),
  Layer.provideMerge(HttpServer.layerContext)
)

/** One request, answered in this process. */
const ask = <E>(layer: Layer.Layer<Layer.Layer.Success<typeof api>, E>, path: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const { dispose, handler } = HttpApiBuilder.toWebHandler(layer)
    try {
      const answer = await handler(new Request(`http://localhost${path}`, init))
      return { status: answer.status, body: (await answer.json()) as unknown }
    } finally {
      await dispose()
    }
  })

const others = Layer.mergeAll(
  Layer.mock(ControlPlaneEvents, {}),
  Layer.mock(IssueRepo, {}),
  Layer.mock(IssueWorkflowExecutionRepo, {}),
  Layer.mock(IssueWorkflowLifecycle, {}),
  Layer.mock(IssueWorkflowRepo, {}),
  Layer.mock(RepositoryRepo, {}),
  // For transactions: nothing here begins one.
  Layer.effect(SqlClient.SqlClient, SqlClient.SqlClient).pipe(Layer.provide(layerTest))
)

it.effect("a busy database is a 503 that the caller can retry", () =>
  Effect.gen(function* () {
    const busy = Layer.mock(SandboxLifecycle, {
      list: () =>
        Effect.fail(new PersistenceError({ operation: "SandboxLifecycle.list", reason: "Busy", cause: "SQLITE_BUSY" }))
    })
    const { body, status } = yield* ask(api.pipe(Layer.provide(busy), Layer.provide(others)), "/sandboxes")
    expect([status, body]).toEqual([503, expect.objectContaining({ _tag: "PersistenceError", reason: "Busy" })])
  })
)

it.effect("an operation gets the user of the session, not of the request", () =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const spying = Layer.mock(SandboxLifecycle, {
      getDetail: ({ id, ownerUserId }) => {
        asked.push(ownerUserId)
        return Effect.fail(new NotFound({ entity: "Sandbox", id }))
      }
    })
    const { status } = yield* ask(
      api.pipe(Layer.provide(spying), Layer.provide(others)),
      "/sandboxes/sbx?ownerUserId=eve",
      { method: "GET" }
    )
    expect([status, asked]).toEqual([404, ["ada"]])
  })
)

it.effect("the list of operations matches the services", () =>
  Effect.gen(function* () {
    const rows = Layer.effectDiscard(
      Effect.orDie(
        Effect.all([
          Factories.make.sandbox({ ownerUserId: "ada", name: "mine" }),
          Factories.make.sandbox({ ownerUserId: "eve", name: "not mine" })
        ])
      )
    )
    const { body, status } = yield* ask(api.pipe(Layer.provide(Layer.provideMerge(rows, layerTest))), "/sandboxes")
    expect(status).toBe(200)
    expect(body).toMatchObject({ items: [{ sandbox: { name: "mine" }, status: "queued" }] })
  })
)
