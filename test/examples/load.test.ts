/**
 * Concurrent clients, and worker processes that build: no client gets an error, the invariants hold, and the heap returns to
 * its size.
 */
import { expect, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Effect, Option, Schedule, Stream } from "effect"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { type Client, signUp } from "../../examples/control-plane/client.js"
import { startWorker } from "../../examples/control-plane/processes.js"
import { watch } from "../../examples/control-plane/watching.js"
import { baseUrl, fileServer, patientMs } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"
import { programAt } from "../support/programs.js"
import { volume } from "../support/volume.js"

const spec = { source: "https://github.com/acme/app", harness: "opencode" } as const
const userCount = 8
const workers = volume(4, 2)
const warmUp = volume(20, 10)
const clientCount = volume(60, 30)

/** Three times the growth that was measured after 60 clients: 1.4 to 2.1 MB. */
const maxGrownMegabytes = 6.5

/** One client: launches twice under a key, polls until its sandbox is ready, and reads its events. */
const launchingClient = ({ api }: Client, name: string) =>
  Effect.gen(function* () {
    const launch = api.sandboxes.launch({ headers: { "idempotency-key": name }, payload: { name, spec } })
    const [first, again] = yield* Effect.all([launch, launch], { concurrency: 2 })
    expect(again.sandbox.id).toBe(first.sandbox.id)
    const path = { id: first.sandbox.id }
    yield* Effect.zipRight(api.sandboxes.list({ urlParams: { limit: 5 } }), api.sandboxes.get({ path })).pipe(
      Effect.repeat({ until: ({ status }) => status === "ready", schedule: Schedule.spaced("200 millis") })
    )
    const events = yield* api.sandboxes.events({ path })
    expect(events.map(({ toState }) => Option.getOrNull(toState))).toEqual(["queued", "running", "ready"])
  })

/** Every tenth client: an agent works on an issue, and the client reads its events to the end. */
const watchingClient = ({ api, http }: Client, number: number) =>
  Effect.gen(function* () {
    const payload = { repository: { owner: "acme", name: "app" }, issue: { number, title: "It breaks" } }
    const { workflow } = yield* api.workflows.open({ payload })
    const { execution } = yield* api.workflows.start({
      path: { id: workflow.id },
      headers: {},
      payload: { name: `agent-${number}`, spec }
    })
    const events = yield* Stream.runCollect(watch(http, execution.id))
    expect(Array.from(events, ({ id }) => id)).toEqual([1, 2, 3, 4])
  })

const runClients = (clients: ReadonlyArray<Client>, size: number, wave: string) =>
  Effect.forEach(
    Array.from({ length: size }, (_, index) => index),
    (index) => {
      const client = clients[index % clients.length]
      if (client === undefined) return Effect.dieMessage("no client")
      return index % 10 === 0
        ? watchingClient(client, wave.length * 1000 + index)
        : launchingClient(client, `${wave}-${index}`)
    },
    { concurrency: "unbounded", discard: true }
  )

/** The size of the heap after garbage collection. */
const heapInUse = Effect.sync(() => {
  setFlagsFromString("--expose-gc")
  const collect: unknown = runInNewContext("gc")
  if (typeof collect === "function") for (let turn = 0; turn < 4; turn++) collect()
  return process.memoryUsage().heapUsed
})

const count = (text: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql.unsafe<{ readonly n: number }>(`SELECT count(*) AS n FROM ${text}`), ([row]) => row?.n)
  )

const load = (filePath: string) =>
  Effect.gen(function* () {
    const url = yield* baseUrl
    yield* Effect.forEach(
      Array.from({ length: workers }, (_, index) => index + 1),
      (number) =>
        startWorker(
          `worker-${number}`,
          {
            DATABASE_FILE_PATH: filePath,
            DATABASE_BUSY_TIMEOUT_MS: String(patientMs),
            // On a loaded machine, no lease expires.
            LEASE_DURATION: "10 minutes"
          },
          [programAt(new URL("../../examples/control-plane/worker.ts", import.meta.url))]
        )
    )
    const clients = yield* Effect.forEach(
      Array.from({ length: userCount }, (_, index) => `user${index}`),
      (name) => signUp(url, name),
      { concurrency: 4 }
    )
    yield* runClients(clients, warmUp, "w")
    const before = yield* heapInUse
    yield* runClients(clients, clientCount, "load")
    const after = yield* heapInUse

    // Each client has one sandbox, one attempt and one job that was done once, under its last lease.
    const all = warmUp + clientCount
    const watching = all / 10
    expect(yield* count("sandboxes")).toBe(all)
    expect(yield* count("oci_image_build_jobs WHERE status = 'succeeded' AND lease_token = attempt_count")).toBe(all)
    expect(yield* count("sandbox_attempts WHERE status = 'succeeded'")).toBe(all)
    expect(yield* count("issue_workflow_executions WHERE status = 'succeeded'")).toBe(watching)
    expect(yield* count("issue_workflow_execution_events")).toBe(4 * watching)
    expect(yield* count("sandbox_launch_keys")).toBe(all - watching)
    expect(yield* count("control_plane_events WHERE subject_type = 'sandbox' AND to_state = 'ready'")).toBe(all)
    expect((after - before) / 2 ** 20).toBeLessThan(maxGrownMegabytes)
  })

it.scopedLive(
  "serves concurrent clients while several workers build",
  () =>
    Effect.gen(function* () {
      const filePath = join(yield* temporaryDirectory, "load.sqlite")
      yield* Effect.provide(Effect.scoped(load(filePath)), fileServer(filePath))
    }),
  600_000
)
