import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Maintenance from "../../src/Maintenance.js"
import { fileLayer, memoryLayer } from "../support/database.js"
import { shell } from "../support/lists.js"

const insert = (id: string) =>
  shell(
    `INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, received_at, available_at, updated_at)
     VALUES (?1, ?1, 'push', 0, 0, 0)`,
    id
  )

for (const [name, layer] of Object.entries({ file: fileLayer, memory: memoryLayer })) {
  it.live(`depths (${name}) contain each commit, also after a read was interrupted`, () =>
    Effect.gen(function* () {
      const read = Maintenance.depths
      expect(yield* read).toMatchObject({
        queue: { due: 0, byStatus: { queued: 0 } },
        inbox: { due: 0, byStatus: { received: 0 } },
        sandboxes: {}
      })
      for (let turn = 1; turn <= 5; turn++) {
        yield* insert(`row-${turn}`)
        const interrupted = yield* Effect.fork(read)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(interrupted)
        expect((yield* read).inbox).toMatchObject({ due: turn, byStatus: { received: turn } })
      }
    }).pipe(Effect.provide(layer))
  )
}
