/**
 * The `libsql` binding with prepared statements: our statements on our tables. It is the lower bound for a layer on this
 * engine: it validates nothing, waits synchronously, and does not translate errors.
 *
 * One at a time, each statement is a commit. With 32 fibers, 32 statements share a commit: claims first, then
 * completions. So does a batch.
 */
import Database from "libsql"
import { v7 } from "uuid"
import { texts } from "../../../src/build-job/claim.js"
import { WorkspaceBuildJob } from "../../../src/build-job/WorkspaceBuildJob.js"
import { columnList } from "../../../src/sql/rows.js"
import type { BatchContestant, OpenOptions, RowContestant } from "../contestant.js"
import { type JobRequest, leaseMs, success, workerId } from "../jobs.js"
import { openFeeder } from "../seed.js"

const columns = columnList(WorkspaceBuildJob)

const insertText = `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, request_fingerprint,
    idempotency_key, available_at, created_at, updated_at)
  VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8)`

/** A claim of several jobs in one statement, without owners, limits and priorities. */
const claimManyText = `
  UPDATE oci_image_build_jobs SET
    status = 'running', attempt_count = attempt_count + 1, lease_token = lease_token + 1, lease_outcome = NULL,
    worker_id = ?2, claimed_at = ?1, lease_expires_at = ?3, started_at = coalesce(started_at, ?1), updated_at = ?1
  WHERE id IN (
    SELECT id FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_due_idx
    WHERE status = 'queued' AND available_at <= ?1 ORDER BY available_at, id LIMIT ?4)
  RETURNING ${columns}`

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

/** `claimsOnce`: a batch is claimed by one statement, which ignores the order of claims, instead of one for each job. */
const open = async (
  { durability, file }: OpenOptions,
  claimsOnce: boolean
): Promise<RowContestant & BatchContestant> => {
  const database = new Database(file)
  database.exec(`PRAGMA synchronous = ${durability}`)
  const feeder = openFeeder(file)
  const select = database.prepare(`SELECT ${columns} FROM oci_image_build_jobs WHERE id = ?1`)
  const insert = database.prepare(insertText)
  const claimOne = database.prepare(texts.claimNext)
  const claimMany = database.prepare(claimManyText)
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
    return parsed((claimOne.all([now, workerId, now + leaseMs, 0]) as Array<Row>)[0])
  }
  const claimAtOnce = (count: number) => {
    const now = Date.now()
    const rows = claimMany.all([now, workerId, now + leaseMs, count]) as Array<Row>
    if (rows.length < count) throw new Error("no such job")
    return rows.map(parsed)
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
    enqueueBatch: async (requests, size) => {
      together(requests, size, add)
    },
    batch: async (count, size) => {
      for (let left = count; left > 0; left -= size) {
        const most = Math.min(left, size)
        const claimed = claimsOnce ? claimAtOnce(most) : together(Array.from({ length: most }), size, claimNext)
        together(claimed, size, finish)
      }
    },
    close: async () => {
      feeder.close()
      database.close()
    }
  }
}

export const openRaw = (options: OpenOptions) => open(options, false)

export const openRawClaimingOnce = (options: OpenOptions) => open(options, true)
