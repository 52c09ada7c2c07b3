/**
 * The jobs that every contestant works on: the same requests, in the same order.
 *
 * No two documents are alike, as no two builds are: a reader that remembers documents it has seen gains nothing from a
 * benchmark that repeats one.
 */
import type { UserWorkspaceSpec } from "../../src/payloads/UserWorkspaceSpec.js"

/** What a caller enqueues. */
export interface JobRequest {
  readonly registryId: string
  readonly repository: string
  readonly tag: string
  readonly idempotencyKey: string
  readonly requestPayload: UserWorkspaceSpec
}

/** Who claims, and for how long, in every contestant that has leases. */
export const workerId = "bench-worker"
export const leaseMs = 60_000

/** What every contestant that stores results stores when a job is done. */
export const success = {
  executorId: "dnf",
  publishedReference: "registry.example.com/acme/app:latest",
  publishedDigestReference: `registry.example.com/acme/app@sha256:${"0123456789abcdef".repeat(4)}`,
  publishedDigest: `sha256:${"0123456789abcdef".repeat(4)}`
}

/** The id of the seeded job at a place, where ids are text. */
export const seededId = (index: number): string => `job_${String(index).padStart(36, "0")}`

/** A request with a specification of some 400 bytes. */
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

// Requests of all contestants and rounds are distinct from each other and from what is seeded.
let requested = 1_000_000

/** Requests that nobody has seen before. */
export const newRequests = (count: number): ReadonlyArray<JobRequest> =>
  Array.from({ length: count }, () => jobRequest(requested++))

/** Runs `operation` for each item with so many of them under way at a time: what a caller without Effect writes. */
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
