/**
 * The fair inbox on a database with deliveries, beside programs of the release before it.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { join } from "node:path"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import { GitHubWebhookDelivery } from "../../src/github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { makeInboxFlows } from "../../src/github/inboxFlows.js"
import { leaseTexts } from "../../src/leasing/statements.js"
import * as Migrations from "../../src/Migrations.js"
import { columnList } from "../../src/sql/rows.js"
import { temporaryDirectory } from "../support/directories.js"
import { shell } from "../support/lists.js"

const name = "0024_fair_inbox"
const before = Object.fromEntries(Object.entries(migrations).filter(([key]) => key < name))

/** The claim of several deliveries of the release before the migration. */
const formerClaim = leaseTexts(
  {
    name: "github_webhook_deliveries",
    waiting: "received",
    held: "processing",
    dueIndex: "github_webhook_deliveries_due_idx",
    leasesIndex: "github_webhook_deliveries_leases_idx",
    whenClaimed: [],
    whenReleased: [],
    failed: { at: ["processed_at", "?1"], exhausted: {}, unreadable: { error_message: "unreadable" } }
  },
  columnList(GitHubWebhookDelivery)
).claimDue

const receive = (id: string, at: number) =>
  shell(
    `INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, action, installation_external_id, payload,
       received_at, max_attempts, available_at, updated_at)
     VALUES (?1, ?1, 'push', NULL, ?2, '{}', ?3, 5, ?3, ?3) ON CONFLICT DO NOTHING RETURNING id`,
    id,
    id.startsWith("none") ? null : id.slice(0, 1),
    at
  )

const idsOf = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(3, "0")}`)

it.live("a live inbox becomes fair in place, and programs of two releases receive and claim side by side", () =>
  Effect.gen(function* () {
    const filePath = join(yield* temporaryDirectory, "test.sqlite")
    const former = Database.layer({ filePath })
    const claimed: Array<string> = []
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const formerClaims = Effect.flatMap(
        sql.unsafe<{ readonly id: string; readonly status: string }>(formerClaim, [
          Date.now(),
          "former",
          Date.now() + 60_000,
          2
        ]),
        (found) => Effect.sync(() => claimed.push(...found.map(({ id }) => id)))
      )
      yield* Migrations.make(before).run
      for (const id of [...idsOf("a", 60), ...idsOf("none", 3)]) yield* receive(id, 1000)
      yield* formerClaims

      yield* Effect.provide(Migrations.run, Database.layer({ filePath }))
      const { drift } = makeInboxFlows(sql)
      expect(yield* drift).toBe(0)

      // The statement of the former release was prepared before the migration.
      yield* formerClaims
      for (const id of idsOf("b", 10)) yield* receive(id, 2000)
      yield* Effect.gen(function* () {
        const inbox = yield* GitHubWebhookDeliveryRepo
        const claim = Effect.flatMap(inbox.claimNext({ workerId: "new", leaseDuration: "1 minute" }), (found) =>
          Effect.sync(() => {
            claimed.push(...Option.toArray(found).map(({ delivery }) => delivery.id))
            return Option.isSome(found)
          })
        )
        const start = claimed.length
        yield* Effect.replicateEffect(claim, 23)
        const ofOthers = claimed.slice(start).filter((id) => !id.startsWith("a"))
        expect(ofOthers).toHaveLength(13)
        expect(yield* drift).toBe(0)

        yield* inbox.record({ deliveryId: "c-000", id: "c-000", eventType: "push", installationExternalId: "c" })
        yield* formerClaims
        yield* Effect.repeat(claim, { while: (found) => found })
        expect(yield* drift).toBe(0)
      }).pipe(Effect.provide(GitHubWebhookDeliveryRepo.layer))
    }).pipe(Effect.provide(former))
    expect(claimed.toSorted()).toEqual([...idsOf("a", 60), ...idsOf("b", 10), "c-000", ...idsOf("none", 3)].toSorted())
  }).pipe(Effect.scoped)
)
