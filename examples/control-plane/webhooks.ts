/**
 * The endpoint for GitHub's webhook deliveries: `POST /webhooks/github`. It stores a delivery and acknowledges it; a
 * worker processes it.
 */
import { HttpApiBuilder, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { WebhookInbox } from "@sealant/db"
import { type WebhookInboxService } from "@sealant/db/github"
import { Config, Effect, Either, Option, Redacted, Schema } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"
import { webhookPath } from "./refusals.js"

/** The secret shared with GitHub. Without it, all deliveries are rejected. */
const webhookSecret = Config.option(Config.redacted(Config.nonEmptyString("GITHUB_WEBHOOK_SECRET")))

/** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
const isSigned = (secret: Redacted.Redacted, body: string, signature: string | undefined) => {
  const expected = Buffer.from(`sha256=${createHmac("sha256", Redacted.value(secret)).update(body).digest("hex")}`)
  const actual = Buffer.from(signature ?? "")
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

const Payload = Schema.parseJson(
  Schema.Struct(
    { action: Schema.optional(Schema.String), installation: Schema.optional(Schema.Struct({ id: Schema.Number })) },
    { key: Schema.String, value: Schema.Unknown }
  )
)

const refuse = (status: number, message: string) => HttpServerResponse.json({ message }, { status })

const deliver = (secret: Option.Option<Redacted.Redacted>, inbox: WebhookInboxService) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (Option.isNone(secret)) return yield* refuse(503, "set GITHUB_WEBHOOK_SECRET to accept deliveries")
    const body = yield* request.text
    if (!isSigned(secret.value, body, request.headers["x-hub-signature-256"]))
      return yield* refuse(401, "the signature does not match the body")
    const deliveryId = request.headers["x-github-delivery"]
    const eventType = request.headers["x-github-event"]
    const payload = Schema.decodeUnknownEither(Payload)(body)
    if (deliveryId === undefined || eventType === undefined || Either.isLeft(payload)) {
      return yield* refuse(400, "a delivery must have X-GitHub-Delivery, X-GitHub-Event and a JSON object as its body")
    }
    const { action, installation } = payload.right
    const { created } = yield* inbox.receive({
      deliveryId,
      eventType,
      action,
      installationExternalId: installation === undefined ? undefined : String(installation.id),
      payload: payload.right
    })
    return yield* HttpServerResponse.json({ created }, { status: 202 })
  }).pipe(
    Effect.catchTag("InvalidInput", ({ message }) => refuse(400, message)),
    Effect.catchTag("AlreadyExists", "PersistenceError", () =>
      refuse(503, "the delivery could not be stored; deliver it again")
    )
  )

export const webhookRoutes = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function* () {
    yield* router.post(webhookPath, deliver(yield* webhookSecret, yield* WebhookInbox))
  })
)
