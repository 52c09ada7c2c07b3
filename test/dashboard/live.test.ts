/**
 * The live streams: what a page receives, how it continues, and what it leaves behind.
 */
import { afterEach, describe, expect, it } from "@effect/vitest"
import { IssueWorkflowExecutionRepo, SandboxLifecycle } from "@sealant/db"
import { Factories, layerTest } from "@sealant/db/testing"
import { SqlClient } from "@effect/sql"
import { Effect, Exit, Option, Scope, Stream } from "effect"
import { type ClientRequest, request } from "node:http"
import { makeLive } from "../../src/dashboard/live.js"
import { eventually } from "../support/eventLoop.js"
import { openServer, type TestServer } from "./support.js"

const { make } = Factories

interface Received {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

const parse = (block: string): ReadonlyArray<Received> => {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1]
  const event = field("event")
  return event === undefined ? [] : [{ event, id: field("id"), data: JSON.parse(field("data") ?? "null") }]
}

/** A page: an open stream, and the messages that it has received. */
interface Page {
  readonly messages: Array<Received>
  readonly status: Promise<number>
  readonly ended: Promise<void>
  /** Waits for a message that fulfils a condition. */
  readonly next: (is: (message: Received) => boolean) => Promise<Received>
  readonly leave: () => void
}

const openPage = (port: number, path: string, headers: Readonly<Record<string, string>> = {}): Page => {
  const messages: Array<Received> = []
  const waiting = new Set<() => void>()
  let client: ClientRequest | undefined
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  const status = new Promise<number>((resolve, reject) => {
    client = request({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
      resolve(response.statusCode ?? 0)
      let text = ""
      response.setEncoding("utf8").on("data", (part) => {
        text += part
        const blocks = text.split("\n\n")
        text = blocks.pop() ?? ""
        messages.push(...blocks.flatMap(parse))
        for (const wake of waiting) wake()
      })
      response.on("close", end)
    })
    client.on("error", reject)
    client.end()
  })
  const next: Page["next"] = (is) =>
    new Promise((resolve) => {
      const check = () => {
        const found = messages.find(is)
        if (found === undefined) return
        waiting.delete(check)
        resolve(found)
      }
      waiting.add(check)
      check()
    })
  return { messages, status, ended, next, leave: () => client?.destroy() }
}

const isJournal = ({ event }: Received) => event === "journal"

const eventsOf = (message: Received): ReadonlyArray<unknown> => {
  const events: unknown = Reflect.get(Object(message.data), "events")
  return Array.isArray(events) ? events : []
}

describe("the live stream of the Dashboard", () => {
  let server: TestServer | undefined
  const open = async (options = {}) => (server = await openServer(options))
  afterEach(async () => {
    await server?.close()
    server = undefined
  })

  const stop = (server: TestServer) =>
    server.run(
      Effect.gen(function* () {
        const { sandbox } = yield* make.launch()
        yield* Effect.flatMap(SandboxLifecycle, (lifecycle) => lifecycle.stop(sandbox.id))
        return sandbox.id
      })
    )

  it("sends new events of the journal to each page, and a message for other commits", async () => {
    const { port, run } = await open()
    const pages = [openPage(port, "/api/live"), openPage(port, "/api/live")]
    for (const page of pages) expect(await page.status).toBe(200)
    const sandboxId = await stop({ ...(server as TestServer), run })
    for (const page of pages) {
      const message = await page.next((one) => isJournal(one) && JSON.stringify(one.data).includes(sandboxId))
      expect(message.id).toMatch(/^[\w-]+:\d+$/)
      expect(message.data).toMatchObject({ skipped: 0 })
    }
    await run(make.webhookDelivery())
    await pages[0]?.next(({ event }) => event === "changed")
    for (const page of pages) page.leave()
  })

  it("continues after the id of the last message, without losing or repeating an event", async () => {
    const { port } = await open()
    const first = openPage(port, "/api/live")
    await first.status
    const one = await stop(server as TestServer)
    const last = await first.next((message) => isJournal(message) && JSON.stringify(message.data).includes(one))
    first.leave()
    const two = await stop(server as TestServer)
    const second = openPage(port, "/api/live", { "last-event-id": last.id ?? "" })
    const resumed = await second.next(isJournal)
    expect(JSON.stringify(resumed.data)).toContain(two)
    const positions = second.messages.flatMap(eventsOf).map((event) => Number(Reflect.get(Object(event), "position")))
    expect(Math.min(...positions)).toBeGreaterThan(Number(last.id?.split(":")[1]))
    expect(new Set(positions).size).toBe(positions.length)
    second.leave()
  })

  it("sends a reset for a position of another epoch or beyond the end", async () => {
    const { port } = await open()
    for (const id of ["another:1", "another:999999"]) {
      const page = openPage(port, "/api/live", { "last-event-id": id })
      expect(await page.next(({ event }) => event === "reset")).toMatchObject({ data: { end: expect.any(Number) } })
      page.leave()
    }
  })

  it("sends at most 500 of many events at once, with the number of those left out", async () => {
    const { port, run } = await open()
    const page = openPage(port, "/api/live")
    await page.status
    await run(
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`
          INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, to_state, actor_type, occurred_at)
          WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
          SELECT 'job', 'job-' || n, 1, 'launch', 'queued', 'system', n FROM numbers`
      )
    )
    const message = await page.next(isJournal)
    expect(eventsOf(message)).toHaveLength(500)
    expect(message.data).toMatchObject({ skipped: 1500 })
    page.leave()
  })

  it("streams the events of an execution, continues after the last one, and ends with it", async () => {
    const { port, run } = await open()
    const execution = await run(make.execution())
    const append = (...messages: ReadonlyArray<string>) =>
      run(
        Effect.flatMap(IssueWorkflowExecutionRepo, (executions) =>
          executions.appendEvents({
            executionId: execution.id,
            events: messages.map((message) => ({ phase: "run", level: "info", eventType: "log", message }))
          })
        )
      )
    await append("one", "two")
    expect(await openPage(port, "/api/executions/none/live").status).toBe(404)
    const page = openPage(port, `/api/executions/${execution.id}/live`, { "last-event-id": "1" })
    const first = await page.next(({ event }) => event === "events")
    expect(first).toMatchObject({ id: "2", data: { events: [{ message: "two", sequence: 2 }] } })
    expect(JSON.stringify(first.data)).not.toContain("payload")
    await run(
      Effect.flatMap(IssueWorkflowExecutionRepo, (executions) =>
        executions.cancel({ id: execution.id, reason: "enough" })
      )
    )
    expect(await page.next(({ event }) => event === "end")).toMatchObject({ data: { status: "cancelled" } })
    await page.ended
  })

  it("ends the streams when the server closes, within a bounded time", async () => {
    const { port } = await open()
    const page = openPage(port, "/api/live")
    await page.status
    const closed = server?.close()
    server = undefined
    await page.ended
    await closed
  })

  it("frees its reader when the last page leaves", () =>
    Effect.gen(function* () {
      const live = yield* makeLive
      const pageScope = yield* Scope.make()
      const page = Stream.runDrain(live.messages(Option.none())).pipe(Effect.interruptible)
      const fibers = yield* Effect.all([Effect.forkIn(page, pageScope), Effect.forkIn(page, pageScope)])
      expect(fibers).toHaveLength(2)
      yield* eventually(live.isFollowing)
      yield* eventually(Effect.map(live.readers, (count) => count === 2))
      yield* Scope.close(pageScope, Exit.void)
      expect(yield* live.readers).toBe(0)
      expect(yield* live.isFollowing).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(layerTest), Effect.runPromise))
})
