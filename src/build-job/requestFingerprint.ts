/**
 * What an idempotency key of the queue stands for.
 */
import { Schema } from "effect"
import { fingerprint } from "../sql/fingerprint.js"
import { readingOf } from "../sql/decoder.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/** The stored document of a request, also when its source is refused for inputs. */
export const encodeRequest = Schema.encodeSync(readingOf(UserWorkspaceSpec))

/** A digest of the request: the same for the same request, however often it comes. */
export const requestFingerprint = (request: {
  readonly runId: string | null
  readonly registryId: string
  readonly repository: string
  readonly tag: string
  readonly requestPayload: ReturnType<typeof encodeRequest>
  /** A request without it has the fingerprint of releases before `maxDuration`. */
  readonly maxDurationMs?: number | undefined
}): string => fingerprint(request)
