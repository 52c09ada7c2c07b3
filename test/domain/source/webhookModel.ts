/**
 * The inbox as its contract tells it, in plain TypeScript: what the property test holds the real one against.
 */
import type { GitHubWebhookDeliveryStatus, WebhookLease } from "../../../src/domain/source/GitHubWebhookDelivery.js"

/** A thing that somebody does to the inbox. Deliveries and leases are counted in the order in which they came up. */
export type Command =
  | { readonly type: "record"; readonly guid: number; readonly maxAttempts: number }
  | { readonly type: "claimNext"; readonly worker: string; readonly duration: number }
  | { readonly type: "heartbeat"; readonly lease: number; readonly duration: number }
  | { readonly type: "markProcessed" | "markIgnored" | "release"; readonly lease: number }
  | { readonly type: "markFailed"; readonly lease: number; readonly retryable: boolean; readonly random: number }
  | { readonly type: "redeliver"; readonly delivery: number }
  | { readonly type: "reap"; readonly limit: number }
  | { readonly type: "wait"; readonly millis: number }

/** What is known of a delivery. */
export interface ModelDelivery {
  readonly id: string
  readonly guid: string
  readonly maxAttempts: number
  status: GitHubWebhookDeliveryStatus
  attempts: number
  availableAt: number
  token: number
  outcome: string | null
  worker: string | null
  expiresAt: number | null
}

/** The order of texts and numbers, the first that differ decide. */
const byKey = <A>(key: (item: A) => readonly [number, string]) => (a: A, b: A) => {
  const [[atA, idA], [atB, idB]] = [key(a), key(b)]
  return atA - atB || (idA < idB ? -1 : idA > idB ? 1 : 0)
}

const exhaustedPerClaim = 10

/** The whole inbox. Each method changes it, and says what the real one has to answer. */
export class ModelInbox {
  now = 0
  readonly deliveries: Array<ModelDelivery> = []
  readonly leases: Array<WebhookLease> = []

  /** The id that the next delivery gets. */
  nextId(): string {
    return `row-${String(this.deliveries.length).padStart(3, "0")}`
  }

  record(guid: string, maxAttempts: number): { readonly id: string; readonly created: boolean } {
    const known = this.deliveries.find((delivery) => delivery.guid === guid)
    if (known !== undefined) return { id: known.id, created: false }
    const id = this.nextId()
    this.deliveries.push({
      id,
      guid,
      maxAttempts,
      status: "received",
      attempts: 0,
      availableAt: this.now,
      token: 0,
      outcome: null,
      worker: null,
      expiresAt: null
    })
    return { id, created: true }
  }

  /** The delivery that a claim has to give, which is then under a lease. */
  claimNext(worker: string, duration: number): ReadonlyArray<ModelDelivery> {
    const due = this.deliveries
      .filter((row) => row.status === "received" ? row.availableAt <= this.now : this.hasExpired(row) && row.attempts < row.maxAttempts)
      .toSorted(byKey((row) => [row.expiresAt ?? row.availableAt, row.id]))
      .slice(0, 1)
    for (const row of this.expired().filter(({ attempts, maxAttempts }) => attempts >= maxAttempts).slice(0, exhaustedPerClaim)) this.takeBack(row)
    for (const row of due) {
      Object.assign(row, { status: "processing", attempts: row.attempts + 1, token: row.token + 1, outcome: null, worker, expiresAt: this.now + duration })
    }
    return due
  }

  reap(limit: number): ReadonlyArray<string> {
    const reaped = this.expired().slice(0, limit)
    for (const row of reaped) this.takeBack(row)
    return reaped.map(({ id }) => id)
  }

  /** What a call under a lease has to answer: `ok`, or the reason for which the lease is lost. */
  underLease({ deliveryId, token }: WebhookLease, repeats: ReadonlyArray<string>, apply: (row: ModelDelivery) => void): string {
    const row = this.deliveries.find(({ id }) => id === deliveryId)
    if (row === undefined) return "not-found"
    if (row.status === "processing" && row.token === token) {
      apply(row)
      return "ok"
    }
    if (row.token !== token || row.outcome === null) return "superseded"
    if (repeats.includes(row.outcome)) return "ok"
    return row.outcome === "released" || row.outcome === "expired" ? row.outcome : "finished"
  }

  fail(row: ModelDelivery, retryable: boolean, random: number): void {
    if (!retryable || row.attempts >= row.maxAttempts) return this.end(row, "failed", "failed")
    const pause = Math.min(300_000, 1000 * 2 ** (row.attempts - 1))
    this.putBack(row, "retried", this.now + Math.floor(pause * (1 + random) / 2))
  }

  release(row: ModelDelivery): void {
    row.attempts -= 1
    this.putBack(row, "released", row.availableAt)
  }

  redeliver(row: ModelDelivery): string {
    if (row.status === "received") return "ok"
    if (row.status === "processing") return "InvalidTransition"
    row.attempts = 0
    this.putBack(row, row.outcome, this.now)
    return "ok"
  }

  end(row: ModelDelivery, status: GitHubWebhookDeliveryStatus, outcome: string): void {
    Object.assign(row, { status, outcome, expiresAt: null })
  }

  private putBack(row: ModelDelivery, outcome: string | null, availableAt: number): void {
    Object.assign(row, { status: "received", outcome, availableAt, worker: null, expiresAt: null })
  }

  private takeBack(row: ModelDelivery): void {
    if (row.attempts < row.maxAttempts) this.putBack(row, "expired", this.now)
    else this.end(row, "failed", "expired")
  }

  private hasExpired(row: ModelDelivery): boolean {
    return row.status === "processing" && row.expiresAt !== null && row.expiresAt <= this.now
  }

  private expired(): ReadonlyArray<ModelDelivery> {
    return this.deliveries.filter((row) => this.hasExpired(row)).toSorted(byKey((row) => [row.expiresAt ?? 0, row.id]))
  }
}
