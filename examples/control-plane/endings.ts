/**
 * The part of the demo in which three sandboxes end: a runtime crashes, a sandbox is idle, and a user stops one. The
 * runtime worker tears down the runtimes of the last two, which are `stopping` until then.
 */
import { SandboxLifecycle } from "@sealant/db"
import type { SandboxId, SandboxStatusView } from "@sealant/db/sandbox"
import { Console, DateTime, Effect, Option } from "effect"
import type { Client } from "./client.js"

const spec = { source: "https://github.com/acme/storefront", harness: "codex" } as const

/** Polls a sandbox until it has the status, and returns it. */
const untilStatus = ({ api }: Client, id: SandboxId, status: SandboxStatusView) =>
  Effect.gen(function* () {
    while (true) {
      const detail = yield* api.sandboxes.get({ path: { id } })
      if (detail.status === status) return detail
      yield* Effect.sleep("100 millis")
    }
  })

const launch = ({ api }: Client, name: string, idleTimeoutMs?: number) =>
  Effect.map(api.sandboxes.launch({ headers: {}, payload: { name, spec, idleTimeoutMs } }), ({ attempt, sandbox }) => ({
    attemptId: attempt.id,
    id: sandbox.id
  }))

/** Prints the events of a sandbox with its attempts and jobs, oldest first. */
const printTimeline = ({ api }: Client, name: string, id: SandboxId) =>
  Effect.gen(function* () {
    const { items } = yield* api.sandboxes.timeline({ path: { id }, urlParams: { limit: 100 } })
    yield* Console.log(`  ${name}`)
    for (const { actorType, eventType, occurredAt, payload, subjectType, toState } of items.toReversed()) {
      const { runtimeStatus, stopReason } = Option.getOrElse(payload, (): Readonly<Record<string, unknown>> => ({}))
      const time = DateTime.formatIso(occurredAt).slice(11, 23)
      const state = Option.getOrElse(toState, () => "-")
      const facts = [runtimeStatus, stopReason].filter((fact) => typeof fact === "string")
      const because = facts.length > 0 ? ` (runtime ${facts.join(", ")})` : ""
      yield* Console.log(
        `    ${time} ${subjectType.padEnd(8)}${state.padEnd(10)}${eventType} by ${actorType}${because}`
      )
    }
  })

/** Ends three sandboxes. Returns their statuses and the stop reasons of their runtimes. */
export const endThree = (client: Client) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const crashing = yield* launch(client, "crashing")
    const idle = yield* launch(client, "idle", 1000)
    const stopped = yield* launch(client, "stopped")
    yield* Effect.forEach([crashing, stopped], ({ id }) => untilStatus(client, id, "ready"))
    // The runtime adapter reports the end of the container.
    yield* lifecycle.endRuntime(crashing.attemptId, {
      status: "failed",
      reason: "crashed",
      errorCode: "exit-137",
      errorMessage: "the container exited with code 137"
    })
    yield* client.api.sandboxes.stop({ path: { id: stopped.id } })
    yield* Console.log("Three sandboxes end: a runtime crashes, a sandbox is idle for a second, and a user stops one")
    const ends = [
      ["crashing", crashing.id, "failed"],
      ["idle", idle.id, "stopped"],
      ["stopped", stopped.id, "stopped"]
    ] as const
    return yield* Effect.forEach(ends, ([name, id, status]) =>
      Effect.gen(function* () {
        const { runtime } = yield* untilStatus(client, id, status)
        yield* printTimeline(client, name, id)
        const reason = Option.flatMap(runtime, ({ stopReason }) => stopReason)
        return `${name} ${status} (${Option.getOrElse(reason, () => "none")})`
      })
    )
  })
