/**
 * The closing table and the books: what happened to every sandbox, and whether it adds up.
 */
import type { SandboxDetail } from "@sealant/db"
import { Console, DateTime, Effect, Option } from "effect"
import type { WorkerMessage } from "./messages.js"
import type { Worker } from "./workers.js"

/** What there is to tell about. */
export interface Story {
  readonly details: ReadonlyArray<SandboxDetail>
  readonly workers: ReadonlyArray<Worker>
  readonly killed: Worker
  readonly startedAt: number
  readonly killedAt: number
}

interface Claim extends WorkerMessage {
  readonly worker: string
}

const claimsOf = ({ workers }: Story, jobId: string, event: WorkerMessage["event"]): ReadonlyArray<Claim> =>
  workers
    .flatMap(({ messages, name }) => messages.map((message) => ({ ...message, worker: name })))
    .filter((message) => message.jobId === jobId && message.event === event)
    .sort((a, b) => a.token - b.token)

const seconds = (story: Story, at: number) => `${((at - story.startedAt) / 1000).toFixed(2)} s`

const lineOf = (story: Story, { attempt, job, sandbox, status }: SandboxDetail) => {
  const jobId = Option.match(job, { onNone: () => "", onSome: ({ id }) => id })
  const [first, again] = claimsOf(story, jobId, "claimed")
  const [built] = claimsOf(story, jobId, "built").slice(-1)
  const at = (claim: Claim | undefined) => claim === undefined ? "" : `${claim.worker} at ${seconds(story, claim.at)}`
  const finishedAt = Option.flatMap(attempt, ({ finishedAt }) => finishedAt)
  return {
    sandbox: sandbox.name,
    queued: seconds(story, DateTime.toEpochMillis(sandbox.createdAt)),
    "claimed by": at(first),
    lost: again === undefined ? "" : seconds(story, story.killedAt),
    "claimed again by": at(again),
    built: built === undefined ? "" : seconds(story, built.at),
    [status]: Option.match(finishedAt, { onNone: () => "", onSome: (at) => seconds(story, DateTime.toEpochMillis(at)) })
  }
}

/** A line for every sandbox: queued, claimed by whom, lost, claimed again, built, ready. */
export const timeline = (story: Story) => Console.table(story.details.map((detail) => lineOf(story, detail)))

/** The counts, and whether they balance. Fails when a sandbox is not ready, or a job was done twice or by nobody. */
export const balance = (story: Story) =>
  Effect.gen(function*() {
    const jobs = story.details.flatMap(({ job }) => Option.toArray(job))
    const leases = jobs.reduce((sum, { leaseToken }) => sum + leaseToken, 0)
    const takenOver = jobs.filter(({ leaseToken }) => leaseToken > 1).length
    const ready = story.details.filter(({ status }) => status === "ready").length
    const succeeded = jobs.filter(({ status }) => status === "succeeded").length
    const books = [
      [`${story.details.length} sandboxes launched, ${ready} ready`, ready === story.details.length],
      [`${jobs.length} jobs, ${succeeded} succeeded, each under one lease`, succeeded === story.details.length],
      [`${leases} leases given: ${jobs.length} first ones, ${leases - jobs.length} after ${story.killed.name} was killed (${takenOver} jobs taken over)`, takenOver > 0 && leases === jobs.length + takenOver]
    ] as const
    for (const [line, holds] of books) yield* Console.log(`${holds ? "ok " : "NOT"} ${line}`)
    if (books.some(([, holds]) => !holds)) return yield* Effect.fail(new Error("the books do not balance"))
  })
