/**
 * Fingerprints of enqueue requests. A repeat of a request with the same idempotency key must have the same fingerprint.
 */
import { fingerprint } from "../sql/fingerprint.js"
import type { UserWorkspaceSpec } from "../payloads/UserWorkspaceSpec.js"

/**
 * Encodes a decoded specification, which is its own encoded form: decoding trims texts and applies defaults, and
 * encoding changes neither. A property test compares it with the encoding by the schema.
 */
export const encodeSpec = (spec: UserWorkspaceSpec): typeof UserWorkspaceSpec.Encoded => spec

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
