/**
 * The inbox on a server: the number of requests of a processed delivery.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Option, Runtime } from "effect"
import { GitHubWebhookDeliveryRepo } from "../../src/github/GitHubWebhookDeliveryRepo.js"
import { WebhookOutcome } from "../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../src/github/WebhookInbox.js"
import { UserRepo } from "../../src/auth/UserRepo.js"
import { during, once, onPeer, requestsOf } from "../libsql/remoteSupport.js"
import type { Peer } from "../support/hrana/Peer.js"
import { receive, type Services, stored, takeOver, worker } from "./inboxSupport.js"

const services = Layer.provideMerge(Layer.merge(WebhookInbox.layer, UserRepo.layer), GitHubWebhookDeliveryRepo.layer)

const onServer = <A, E>(use: (peer: Peer) => Effect.Effect<A, E, Services>) =>
  onPeer((peer) => Effect.provide(use(peer), services))

/** A handler that runs a statement. */
const writing = Effect.gen(function* () {
  yield* (yield* UserRepo).create({ id: "ada", name: "Ada", email: "ada@example.com" })
  return WebhookOutcome.processed
})

it.effect(
  "a delivery is a claim and an end, and a transaction if its handler runs statements; a redelivery is one request",
  () =>
    onServer((peer) =>
      Effect.gen(function* () {
        const { process } = yield* WebhookInbox
        const users = yield* UserRepo
        const requests = <E>(id: string, handler: Effect.Effect<WebhookOutcome, E, UserRepo>) =>
          Effect.gen(function* () {
            yield* receive(id)
            const counted = yield* requestsOf(
              peer,
              process(worker, () => Effect.provideService(handler, UserRepo, users))
            )
            return `${counted} requests, ${(yield* stored(id)).status}`
          })
        // The first request of a client asks for the version of the protocol, too.
        yield* requests("first", Effect.succeed(WebhookOutcome.processed))
        expect(yield* requests("one", Effect.succeed(WebhookOutcome.processed))).toBe("2 requests, processed")
        expect(yield* requests("two", Effect.succeed(WebhookOutcome.ignored("not a push")))).toBe("2 requests, ignored")
        expect(yield* requests("three", writing)).toBe("4 requests, processed")
        const inbox = yield* GitHubWebhookDeliveryRepo
        const { id } = yield* stored("one")
        expect(yield* requestsOf(peer, inbox.redeliver(id))).toBe(1)
      })
    )
)

it.effect("a delivery whose handler runs no statement does not end under the lease of another worker", () =>
  onServer(() =>
    Effect.gen(function* () {
      const { process } = yield* WebhookInbox
      yield* receive("one")
      const runtime = yield* Effect.runtime<Services>()
      // Outside the transaction of the handler.
      const taken = Effect.promise(() => Runtime.runPromise(runtime, takeOver))
      const processed = process(worker, () => Effect.as(taken, WebhookOutcome.processed))
      expect(yield* Effect.flip(processed)).toMatchObject({ _tag: "LeaseLost" })
      expect(yield* stored("one")).toMatchObject({ status: "processing", workerId: Option.some("another") })
    })
  )
)

it.effect("a lost answer to the end of a delivery without statements is found by the report of its failure", () =>
  onServer((peer) =>
    Effect.gen(function* () {
      const { process } = yield* WebhookInbox
      yield* receive("one")
      const lost = once(/^UPDATE github_webhook_deliveries SET\s+status = 'processed'/, "lost-answer")
      const processed = yield* process(worker, () => Effect.succeed(WebhookOutcome.processed)).pipe(during(peer, lost))
      expect(Option.map(processed, ({ status }) => status)).toEqual(Option.some("processed"))
    })
  )
)
