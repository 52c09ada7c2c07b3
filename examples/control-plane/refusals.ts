/**
 * How a body is refused that nobody reads: too large, or no JSON.
 */
import { HttpApiSchema } from "@effect/platform"
import { Schema } from "effect"

/** How long a body may be, in bytes. */
export const maxBodyBytes = 1_000_000

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
