/**
 * Errors of request bodies: too large or malformed.
 */
import { HttpApiSchema } from "@effect/platform"
import { maxPayloadBytes } from "@sealant/db/github"
import { Schema } from "effect"

/** The path of GitHub's webhook deliveries. */
export const webhookPath = "/webhooks/github"

/** Returns the maximum length of a body in bytes. For deliveries of GitHub, it is the limit of the inbox. */
export const maxBodyBytesOf = (path: string) => (path === webhookPath ? maxPayloadBytes : 1_000_000)

/** The body does not have the format of its content type. */
export class MalformedBody extends Schema.TaggedError<MalformedBody>()(
  "MalformedBody",
  { problem: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/** The body exceeds the maximum length. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()(
  "BodyTooLarge",
  { maxBytes: Schema.Int },
  HttpApiSchema.annotations({ status: 413 })
) {}
