/**
 * `sealant-db deliveries`: reads the inbox of webhook deliveries, and processes deliveries again.
 *
 * The payload of a delivery may contain secrets, so these commands never read it. Only `show` prints the error message.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Clock, Console, DateTime, Effect, Layer, Schema } from "effect"
import { GitHubWebhookDeliveryId, GitHubWebhookDeliveryStatus } from "../github/GitHubWebhookDelivery.js"
import { GitHubWebhookDeliveryRepo } from "../github/GitHubWebhookDeliveryRepo.js"
import {
  DeliveryDetail,
  DeliverySummary,
  listDeliveries,
  receivedByInstallation,
  showDelivery
} from "../operations/deliveries.js"
import { existing } from "../sql/columns.js"
import { layerCurrent } from "./database.js"
import { columns, json, orNone, printJson, printLines } from "./output.js"
import { age, changeEach, idOf, limitOf } from "./rows.js"

const layer = Layer.provideMerge(GitHubWebhookDeliveryRepo.layer, layerCurrent)

const id = idOf(existing(GitHubWebhookDeliveryId))

const ids = id.pipe(Args.withDescription("Ids of one or more rows, as `list` prints them."), Args.atLeast(1))

const status = Options.choice("status", GitHubWebhookDeliveryStatus.literals).pipe(
  Options.withDescription("Only deliveries in this state."),
  Options.optional
)

const encodeSummary = Schema.encodeSync(DeliverySummary.json)
const encodeDetail = Schema.encodeSync(DeliveryDetail.json)

const list = Command.make("list", { status, limit: limitOf("deliveries"), json }, ({ json, limit, status }) =>
  Effect.gen(function* () {
    const deliveries = yield* listDeliveries(limit, status)
    if (json) return yield* printJson(deliveries.map((delivery) => encodeSummary(delivery)))
    if (deliveries.length === 0) return yield* Console.log("no deliveries")
    const now = yield* Clock.currentTimeMillis
    yield* printLines(
      columns([
        ["ID", "STATUS", "AGE", "TRIES", "EVENT", "ACTION", "INSTALLATION", "DELIVERY"],
        ...deliveries.map((delivery) => [
          delivery.id,
          delivery.status,
          age(now, delivery.receivedAt),
          `${delivery.attemptCount}/${delivery.maxAttempts}`,
          delivery.eventType,
          orNone(delivery.action),
          orNone(delivery.installationExternalId),
          delivery.deliveryId
        ])
      ])
    )
  })
).pipe(Command.withDescription("Lists the newest deliveries, newest first."))

const show = Command.make("show", { id, json }, ({ id, json }) =>
  Effect.gen(function* () {
    const delivery = encodeDetail(yield* showDelivery(id))
    if (json) return yield* printJson(delivery)
    yield* printLines(columns(Object.entries(delivery).map(([field, value]) => [field, String(value)])))
  })
).pipe(Command.withDescription("Shows one delivery without its payload, which may contain secrets."))

const stats = Command.make("stats", { limit: limitOf("installations"), json }, ({ json, limit }) =>
  Effect.gen(function* () {
    const installations = yield* receivedByInstallation(limit)
    if (json) return yield* printJson(installations)
    if (installations.length === 0) return yield* Console.log("no deliveries wait")
    const now = yield* Clock.currentTimeMillis
    yield* printLines(
      columns([
        ["INSTALLATION", "RECEIVED", "DUE SINCE"],
        ...installations.map(({ installation, nextDueAt, received }) => [
          installation === "" ? "-" : installation,
          String(received),
          nextDueAt > now ? "-" : age(now, DateTime.unsafeMake(nextDueAt))
        ])
      ])
    )
  })
).pipe(Command.withDescription("Counts the received deliveries of the installations with the most of them."))

const redeliver = Command.make("redeliver", { ids, json }, (input) =>
  Effect.flatMap(GitHubWebhookDeliveryRepo, (deliveries) =>
    changeEach("received", input, (id) => deliveries.redeliver(id))
  )
).pipe(
  Command.withDescription(
    "Processes ended deliveries again, with all attempts. Fails for a delivery that is being processed."
  )
)

export const deliveries = Command.make("deliveries").pipe(
  Command.withDescription("Reads the inbox of webhook deliveries, and processes deliveries again."),
  Command.withSubcommands([list, show, stats, redeliver]),
  Command.provide(layer)
)
