/**
 * Fingerprints of launch requests. A repeat of a request with the same idempotency key must have a fingerprint of it.
 */
import { fingerprint } from "../../sql/fingerprint.js"
import type { LaunchSandbox } from "../SandboxViews.js"

type Encoded = Partial<typeof LaunchSandbox.Encoded>

/**
 * Returns the fields of a request that a repeat must contain, too. A repeat may resolve or generate the other fields
 * anew, for example the resolved specification after a change of the package cache.
 */
export const askedFor = ({
  availableAt: _availableAt,
  id: _id,
  idempotencyKey: _idempotencyKey,
  maxAttempts: _maxAttempts,
  profileConfigSnapshot: _profileConfigSnapshot,
  repositoryProfileConfigSnapshot: _repositoryProfileConfigSnapshot,
  resolvedSpec: _resolvedSpec,
  ...asked
}: Encoded) => asked

/**
 * Returns the fingerprint that a new key stores, and the one that releases before 0.3 stored: theirs covered the
 * resolved specification.
 */
export const launchFingerprints = (request: Encoded) => {
  const asked = askedFor(request)
  const current = fingerprint(asked)
  const { resolvedSpec } = request
  return {
    current,
    accepted: resolvedSpec === undefined ? [current] : [current, fingerprint({ ...asked, resolvedSpec })]
  }
}
