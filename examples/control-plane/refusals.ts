/**
 * How a body is refused that nobody reads: too large, or no JSON.
 */
import { HttpApiSchema } from "@effect/platform"
import { maxPayloadBytes } from "@sealant/db"
import { Schema } from "effect"

/** Where GitHub delivers. */
export const webhookPath = "/webhooks/github"

/** How long a body may be, in bytes. One of GitHub's deliveries may be as long as the inbox takes it. */
export const maxBodyBytesOf = (path: string) => path === webhookPath ? maxPayloadBytes : 1_000_000

/** The body is not what its content type says. */
export class MalformedBody extends Schema.TaggedError<MalformedBody>()(
  "MalformedBody",
  { problem: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/** The body is longer than the server reads. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()(
  "BodyTooLarge",
  { maxBytes: Schema.Int },
  HttpApiSchema.annotations({ status: 413 })
) {}
