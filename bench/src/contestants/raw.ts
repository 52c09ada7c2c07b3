/**
 * The `libsql` binding with prepared statements: our statements on our tables. It is the lower bound for a layer on this
 * engine: it validates nothing, waits synchronously, and does not translate errors.
 *
 * One at a time, each statement is a commit. With 32 fibers, 32 statements share a commit: claims first, then
 * completions.
 */
import Database from "libsql"
import { v7 } from "uuid"
import { texts } from "../../../src/build-job/claim.js"
import { WorkspaceBuildJob } from "../../../src/build-job/WorkspaceBuildJob.js"
import { columnList } from "../../../src/sql/rows.js"
import type { OpenOptions, RowContestant } from "../contestant.js"
import { type JobRequest, leaseMs, success, workerId } from "../jobs.js"
import { openFeeder } from "../seed.js"

const columns = columnList(WorkspaceBuildJob)

const insertText = `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, request_fingerprint,
    idempotency_key, available_at, created_at, updated_at)
  VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8)`

const succeedText = `
  UPDATE oci_image_build_jobs SET
    status = 'succeeded', lease_outcome = 'succeeded', lease_expires_at = NULL, finished_at = max(?1, started_at),
    executor_id = ?5, published_reference = ?6, published_digest_reference = ?7, published_digest = ?8, updated_at = ?1
  WHERE id = ?2 AND status = 'running' AND lease_token = ?3 AND worker_id = ?4`

interface Row {
  readonly id: string
  readonly requestPayload: string
  readonly resultPayload: string | null
  readonly leaseToken: number
}

export const openRaw = async ({ durability, file }: OpenOptions): Promise<RowContestant> => {
  const database = new Database(file)
  database.exec(`PRAGMA synchronous = ${durability}`)
  const feeder = openFeeder(file)
  const select = database.prepare(`SELECT ${columns} FROM oci_image_build_jobs WHERE id = ?1`)
  const insert = database.prepare(insertText)
  const claimDue = database.prepare(texts.claimDue)
  const succeed = database.prepare(succeedText)

  const parsed = (row: Row | undefined) => {
    if (row === undefined) throw new Error("no such job")
    JSON.parse(row.requestPayload)
    if (row.resultPayload !== null) JSON.parse(row.resultPayload)
    return row
  }
  const add = ({ idempotencyKey, registryId, repository, requestPayload, tag }: JobRequest) =>
    insert.run([
      `job_${v7()}`,
      registryId,
      repository,
      tag,
      JSON.stringify(requestPayload),
      "0".repeat(64),
      idempotencyKey,
      Date.now()
    ])
  const claimNext = () => {
    const now = Date.now()
    return parsed((claimDue.all([now, workerId, now + leaseMs, 1]) as Array<Row>)[0])
  }
  const finish = ({ id, leaseToken }: Row) => {
    const { executorId, publishedDigest, publishedDigestReference, publishedReference } = success
    const { changes } = succeed.run([
      Date.now(),
      id,
      leaseToken,
      workerId,
      executorId,
      publishedReference,
      publishedDigestReference,
      publishedDigest
    ])
    if (changes !== 1) throw new Error("the job belongs to another worker")
  }
  const together = <A, B>(items: ReadonlyArray<A>, size: number, each: (item: A) => B): Array<B> => {
    if (size === 1) return items.map(each)
    const results: Array<B> = []
    for (let start = 0; start < items.length; start += size) {
      database.exec("BEGIN IMMEDIATE")
      for (const item of items.slice(start, start + size)) results.push(each(item))
      database.exec("COMMIT")
    }
    return results
  }

  return {
    synchronous: async () =>
      (database.prepare("PRAGMA synchronous").all([]) as Array<{ readonly synchronous: unknown }>)[0]?.synchronous,
    feed: feeder.feed,
    done: feeder.done,
    read: async (ids) => {
      for (const id of ids) parsed((select.all([id]) as Array<Row>)[0])
    },
    enqueue: async (requests, fibers) => {
      together(requests, fibers, add)
    },
    claim: async (count) => {
      for (let i = 0; i < count; i++) claimNext()
    },
    cycle: async (count, fibers) => {
      for (let left = count; left > 0; left -= fibers) {
        const claimed = together(Array.from({ length: Math.min(left, fibers) }), fibers, claimNext)
        together(claimed, fibers, finish)
      }
    },
    close: async () => {
      feeder.close()
      database.close()
    }
  }
}
