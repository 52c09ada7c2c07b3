/**
 * Fingerprints of enqueue requests. A repeat of a request with the same idempotency key must have the same fingerprint.
 */
import { Schema } from "effect"
import { fingerprint } from "../sql/fingerprint.js"
import { readingOf } from "../sql/decoder.js"
import { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/**
 * Encodes a specification for its column. Does not apply the limits of inputs, so it also encodes stored
 * documents.
 */
export const encodeSpec = Schema.encodeSync(readingOf(UserWorkspaceSpec))

/**
 * Returns the fingerprint of a request. Equal requests have the same fingerprint. It covers the attempt under the name
 * `runId`, like the stored fingerprints of earlier releases.
 */
export const requestFingerprint = ({
  attemptId,
  ...request
}: {
  readonly attemptId: string | null
  readonly registryId: string
  readonly repository: string
  readonly tag: string
  readonly requestPayload: ReturnType<typeof encodeSpec>
  /** If absent, the fingerprint equals that of releases before `maxDuration`. */
  readonly maxDurationMs?: number | undefined
}): string => fingerprint({ ...request, runId: attemptId })
