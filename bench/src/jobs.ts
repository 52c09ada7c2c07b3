/**
 * The jobs of all contestants: the same requests, in the same order. All documents differ, so that a cache of decoded
 * documents gains nothing.
 */
import type { UserWorkspaceSpec } from "../../src/payloads/UserWorkspaceSpec.js"

/** Request to enqueue a job. */
export interface JobRequest {
  readonly registryId: string
  readonly repository: string
  readonly tag: string
  readonly idempotencyKey: string
  readonly requestPayload: UserWorkspaceSpec
}

/** The worker and the lease duration of all contestants with leases. */
export const workerId = "bench-worker"
export const leaseMs = 60_000

/** The stored result of a job. */
export const success = {
  executorId: "dnf",
  publishedReference: "registry.example.com/acme/app:latest",
  publishedDigestReference: `registry.example.com/acme/app@sha256:${"0123456789abcdef".repeat(4)}`,
  publishedDigest: `sha256:${"0123456789abcdef".repeat(4)}`
}

/** Returns the id of a seeded job, for contestants with text ids. */
export const seededId = (index: number): string => `job_${String(index).padStart(36, "0")}`

/** Returns a request with a specification of about 400 bytes. */
export const jobRequest = (index: number): JobRequest => ({
  registryId: "registry",
  repository: "acme/app",
  tag: `build-${index}`,
  idempotencyKey: `request-${index}`,
  requestPayload: {
    source: { kind: "git", url: `https://github.com/acme/service-${index}`, ref: "main" },
    harness: { id: "opencode", profile: "default" },
    packages: ["nodejs", "ripgrep", { id: "python", version: "3.12" }],
    setup: ["npm ci", { run: "npm run build", workingDirectory: "packages/app" }],
    env: { NODE_ENV: "development", LOG_LEVEL: "info", SERVICE_NAME: `service-${index}` },
    ssh: { enabled: true, listenPort: 2222 }
  }
})

// Distinct from the requests of other contestants and rounds, and from the seeded jobs.
let requested = 1_000_000

/** Returns requests that no contestant has stored. */
export const newRequests = (count: number): ReadonlyArray<JobRequest> =>
  Array.from({ length: count }, () => jobRequest(requested++))

/** Runs `operation` for each item, up to `fibers` concurrently, as a caller without Effect does. */
export const eachOf = async <A>(
  items: ReadonlyArray<A>,
  fibers: number,
  operation: (item: A) => Promise<void>
): Promise<void> => {
  const waiting = items.values()
  const lane = async () => {
    for (const item of waiting) await operation(item)
  }
  await Promise.all(Array.from({ length: fibers }, lane))
}
