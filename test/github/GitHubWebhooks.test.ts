/**
 * Deliveries of GitHub take effect once, also when they are repeated, delayed or out of order.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { GitHubInstallationRepo, WebhookInbox } from "@sealant/db"
import { Effect, FastCheck as fc, type Layer, Option, TestClock } from "effect"
import { shell } from "../support/lists.js"
import { planOf, recordStatements } from "../support/plans.js"
import {
  about,
  account,
  changed,
  deliver,
  type Input,
  installation,
  instant,
  issue,
  known,
  layers,
  process,
  pull,
  receive,
  ref,
  renamed,
  type Services
} from "./payloads.js"
import { volume } from "../support/volume.js"

const suite = (name: string, layer: Layer.Layer<Services | SqlClient.SqlClient>) =>
  describe(`GitHubWebhooks (${name})`, () => {
    it.effect("applies the deliveries of an installation from its first to its last", () =>
      Effect.gen(function* () {
        expect(yield* deliver(installation("created", { repositories: [ref(1), ref(2)] }), changed([3], [2]))).toEqual([
          "processed",
          "processed"
        ])
        expect(yield* known).toMatchObject({
          installations: [{ status: "active", account_login: "acme" }],
          sees: ["acme/r1", "acme/r3"]
        })
        const row = Option.getOrThrow(yield* (yield* GitHubInstallationRepo).findByExternalId("7"))
        expect(row).toMatchObject({
          permissions: { contents: "read" },
          repositorySelection: "selected",
          targetType: Option.some("organization")
        })
        expect(yield* deliver(installation("suspend"), installation("unsuspend"), installation("suspend"))).toEqual([
          "processed",
          "processed",
          "processed"
        ])
        expect((yield* known).installations).toMatchObject([{ status: "suspended", suspended: 1 }])
        yield* deliver(
          installation("deleted"),
          installation("unsuspend"),
          installation("created", { repositories: [ref(9)] })
        )
        expect(yield* known).toMatchObject({ installations: [{ status: "deleted" }], sees: ["acme/r1", "acme/r3"] })
      }).pipe(Effect.provide(layer))
    )

    it.effect("closes a deleted issue, cancels its work, and ignores earlier deliveries", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(60_000)
        expect(yield* deliver(issue("deleted", 20))).toEqual(["ignored: the issue is not known"])
        yield* deliver(installation("created", { repositories: [ref(1)] }), issue("opened", 10))
        yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
          SELECT 'wf', id, repository_id, 0, 0 FROM issues`)
        expect(yield* deliver(issue("deleted", 20))).toEqual(["processed"])
        yield* deliver(issue("edited", 15))
        expect(yield* known).toMatchObject({ issues: [{ state: "closed", closed_at: 64_000 }] })
        expect(yield* shell("SELECT status FROM issue_workflows")).toEqual([{ status: "cancelled" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores the issues and pull requests of known repositories", () =>
      Effect.gen(function* () {
        expect(yield* deliver(issue("opened", 10))).toEqual(["ignored: the repository is not known"])
        yield* deliver(installation("created", { repositories: [ref(1)] }))
        yield* deliver(
          issue("opened", 10),
          issue("closed", 20, { state: "closed", closed_at: instant(20) }),
          issue("edited", 15, { title: "older" })
        )
        yield* deliver(
          pull("opened", 10, { draft: true }),
          pull("closed", 30, { state: "closed", merged_at: instant(30), closed_at: instant(30) }),
          pull("edited", 20)
        )
        expect(yield* known).toMatchObject({
          issues: [{ title: "It breaks", state: "closed" }],
          pulls: [{ state: "merged", head_sha: "abc" }]
        })
        yield* deliver(renamed("new-name", 50), renamed("old-name", 40))
        expect(yield* shell("SELECT name FROM repositories")).toEqual([{ name: "new-name" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores an unknown installation with its changed repositories, and ignores other event types", () =>
      Effect.gen(function* () {
        expect(yield* deliver(changed([1], []))).toEqual(["processed"])
        expect(yield* known).toMatchObject({ installations: [{ status: "active" }], sees: ["acme/r1"] })
        expect(
          yield* deliver({ event: "star", payload: { action: "created" } }, installation("renamed"), {
            event: "issues",
            payload: { action: "pinned" }
          })
        ).toEqual(["ignored: not handled: star", "ignored: not handled: renamed", "ignored: not handled: pinned"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order delivery reverts nothing of later ones, however many there were", () =>
      Effect.gen(function* () {
        const busy = Array.from({ length: name === "remote" ? volume(60, 12) : 60 }, (_, index) => ({
          ...issue("edited", 20 + index),
          payload: { ...issue("edited", 20 + index).payload, installation: { id: 7 } }
        }))
        yield* deliver(installation("created", { repositories: [ref(1)] }))
        yield* TestClock.adjust("1 second")
        yield* receive(installation("suspend"), "late")
        yield* shell("UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id = 'late'", 600_000)
        yield* deliver(installation("unsuspend"), ...busy)
        yield* TestClock.adjust("1 hour")
        expect(yield* process).toBe("ignored: newer information is already stored")
        expect((yield* known).installations).toMatchObject([{ status: "active" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an out-of-order delivery applies the fields that no later one contained: the status, or the rest", () =>
      Effect.gen(function* () {
        const late = (told: Input) =>
          Effect.zipRight(
            Effect.zipRight(TestClock.adjust("1 second"), receive(told, "late")),
            shell("UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id = 'late'", 600_000)
          )
        const accepted = about({
          permissions: { contents: "write" },
          repository_selection: "all",
          account: { ...account, login: "acme-inc" }
        })
        yield* late(
          installation("created", { repositories: [ref(1)], installation: about({ created_at: instant(1) }) })
        )
        yield* deliver(installation("suspend"), installation("new_permissions_accepted", { installation: accepted }))
        yield* TestClock.adjust("1 hour")
        expect(yield* process).toBe("processed")
        const installations = yield* GitHubInstallationRepo
        const told = { permissions: { contents: "write" }, repositorySelection: "all", accountLogin: "acme-inc" }
        expect(Option.getOrThrow(yield* installations.findByExternalId("7"))).toMatchObject({
          ...told,
          status: "suspended"
        })
        expect((yield* known).sees).toEqual(["acme/r1"])

        yield* shell("DELETE FROM github_webhook_deliveries")
        yield* late(installation("unsuspend"))
        yield* shell("UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id = 'late'", 36_000_000)
        yield* deliver(installation("new_permissions_accepted", { installation: accepted }))
        yield* TestClock.adjust("10 hours")
        expect(yield* process).toBe("processed")
        expect(Option.getOrThrow(yield* installations.findByExternalId("7"))).toMatchObject({
          ...told,
          status: "active"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("a delivery received without its installation is ordered by its payload", () =>
      Effect.gen(function* () {
        const inbox = yield* WebhookInbox
        const take = ({ event, payload }: Input, deliveryId: string) =>
          Effect.zipRight(TestClock.adjust("1 second"), inbox.receive({ deliveryId, eventType: event, payload }))
        yield* take(installation("suspend"), "late")
        yield* shell("UPDATE github_webhook_deliveries SET available_at = ?1", 600_000)
        const { delivery } = yield* take(installation("created", { repositories: [] }), "created")
        expect(delivery.installationExternalId).toEqual(Option.some("7"))
        expect(yield* process).toBe("processed")
        yield* TestClock.adjust("1 hour")
        expect(yield* process).toBe("ignored: newer information is already stored")
        expect((yield* known).installations).toMatchObject([{ status: "active" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("names the path of an invalid payload without its value", () =>
      Effect.gen(function* () {
        const wrong = {
          action: "created",
          installation: { ...about(), id: "s3cr3t", account: { ...account, login: "" } }
        }
        const [outcome = ""] = yield* deliver({ event: "installation", payload: wrong })
        expect(outcome).toMatch(/^failed: invalid payload: installation\.id/)
        expect(outcome).not.toContain("s3cr3t")
        expect((yield* known).installations).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("deliveries of GitHub", () => {
  it.effect("are compared with later ones without a scan of the inbox", () =>
    Effect.gen(function* () {
      yield* receive(installation("created", { repositories: [ref(1)] }))
      yield* receive(changed([1], [2]))
      expect([yield* process, yield* process]).toEqual(["processed", "processed"])
      yield* receive(changed([2], []))
      const later = (yield* recordStatements(process)).filter(({ text }) => text.includes("AS later"))
      for (const _ of ["without statistics", "with them"]) {
        const plans = (yield* Effect.forEach(later, planOf)).flat().filter((line) => line.includes("later"))
        const walk =
          "SEARCH later USING INDEX github_webhook_deliveries_installation_external_id_received_at_idx (installation_external_id=? AND received_at>?)"
        expect(plans).toEqual([walk, walk])
        yield* shell("DELETE FROM github_webhook_deliveries")
        yield* shell(`
          INSERT INTO github_webhook_deliveries (id, delivery_id, status, event_type, installation_external_id, payload, received_at, available_at,
            updated_at, processed_at, error_message)
          WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000)
          SELECT 'row-' || n, n, iif(n % 9 = 0, 'failed', 'processed'), 'issues', n % 5, '{}', n, 0, 0, 0, 'it broke' FROM numbers`)
        yield* shell("ANALYZE")
      }
    }).pipe(Effect.provide(layers.file))
  )

  const history = [
    installation("created", { repositories: [ref(1), ref(2)] }),
    changed([3], []),
    changed([], [2]),
    installation("suspend"),
    installation("unsuspend"),
    changed([2], [3])
  ]
  const dated = [
    issue("opened", 10),
    issue("edited", 20, { title: "It still breaks" }),
    issue("closed", 30, { title: "It still breaks", state: "closed", closed_at: instant(30) }),
    pull("opened", 10, { draft: true }),
    pull("ready_for_review", 20),
    pull("closed", 30, { state: "closed", merged_at: instant(30), closed_at: instant(30) })
  ]
  const order = fc.shuffledSubarray(
    history.map((_, index) => index),
    { minLength: history.length }
  )
  const datedOrder = fc.shuffledSubarray(
    dated.map((_, index) => index),
    { minLength: dated.length }
  )

  it.effect.prop(
    "have the same result in any order and with any repeats",
    [order, datedOrder],
    ([order, datedOrder]) =>
      Effect.gen(function* () {
        // Received in their order; handed out in another one.
        for (const [index, told] of history.entries()) {
          yield* TestClock.adjust("1 second")
          yield* receive(told, `event-${index}`)
          yield* receive(told, `event-${index}`)
        }
        yield* TestClock.adjust("1 second")
        const due = order.map((index, place) =>
          shell(
            "UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id = ?2",
            place,
            `event-${index}`
          )
        )
        yield* Effect.all(due)
        yield* Effect.repeatN(process, history.length - 1)
        // Those that were too early come again.
        for (
          let turn = 0;
          turn < 30 && (yield* shell("SELECT 1 FROM github_webhook_deliveries WHERE status = 'received'")).length > 0;
          turn++
        ) {
          yield* TestClock.adjust("10 minutes")
          yield* process
        }
        yield* deliver(...datedOrder.flatMap((index) => dated[index] ?? []))
        expect(yield* known).toEqual({
          installations: [{ status: "active", account_login: "acme", suspended: 0 }],
          sees: ["acme/r1", "acme/r2"],
          issues: [{ title: "It still breaks", state: "closed", closed_at: 30_000 }],
          pulls: [{ title: "Mend it", state: "merged", head_sha: "abc" }]
        })
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(40, 10) } }
  )
})
