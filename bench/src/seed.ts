/**
 * Database files with jobs, written by plain SQL on a connection of their own.
 */
import Database from "libsql"
import { migrations } from "../../migrations/index.js"
import { jobRequest, newRequests, type JobRequest, seededId } from "./jobs.js"
import { predecessorTables } from "./tables.js"

/** `sealant`: our tables with their checks, triggers and indexes; `predecessor`: the tables of a program with drizzle. */
export type Tables = "sealant" | "predecessor"

const texts: Readonly<Record<Tables, ReadonlyArray<string>>> = {
  sealant: Object.values(migrations),
  predecessor: [predecessorTables]
}

const insertText = `
  INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, request_fingerprint,
    idempotency_key, available_at, created_at, updated_at)
  VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8)`

/** Creates a file with this number of due jobs. */
export const createFile = (file: string, tables: Tables, jobs: number): void => {
  const database = new Database(file)
  database.exec("PRAGMA journal_mode = wal; PRAGMA synchronous = normal")
  for (const text of texts[tables]) database.exec(text)
  const now = Date.now()
  insertAll(
    database,
    Array.from({ length: jobs }, (_, index) => ({
      id: seededId(index),
      request: jobRequest(index),
      dueAt: now - jobs + index
    }))
  )
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
  database.close()
}

/** Opens a second connection to the file of a contestant, which adds jobs and counts those that are done. */
export const openFeeder = (file: string) => {
  const database = new Database(file, { timeout: 5000 })
  const done = database.prepare("SELECT count(*) AS done FROM oci_image_build_jobs WHERE status = 'succeeded'")
  let fed = 0
  return {
    feed: (count: number) => {
      const now = Date.now()
      insertAll(
        database,
        newRequests(count).map((request) => ({ id: `job_fed_${fed++}`, request, dueAt: now }))
      )
      // Otherwise the checkpoint of the next batch would write these pages.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    },
    done: () => (done.all([]) as Array<{ readonly done: number }>)[0]?.done ?? 0,
    close: () => {
      database.close()
    }
  }
}

interface Seeded {
  readonly id: string
  readonly request: JobRequest
  readonly dueAt: number
}

const insertAll = (database: Database.Database, jobs: ReadonlyArray<Seeded>) => {
  const insert = database.prepare(insertText)
  database.exec("BEGIN IMMEDIATE")
  for (const { dueAt, id, request } of jobs) {
    const { idempotencyKey, registryId, repository, requestPayload, tag } = request
    insert.run([id, registryId, repository, tag, JSON.stringify(requestPayload), "0".repeat(64), idempotencyKey, dueAt])
  }
  database.exec("COMMIT")
}

/**
 * Adds this number of due jobs to a file with our tables, in turn for this number of owners: `owner-0`, ... Without
 * triggers and indexes, which take minutes for a million jobs: the rows of the triggers are computed at the end, and
 * indexes are built by sorting.
 */
export const addOwnedJobs = (file: string, jobs: number, owners: number): void => {
  const database = new Database(file)
  const now = Date.now()
  const objects = database
    .prepare(
      `SELECT type, name, sql FROM sqlite_master
       WHERE tbl_name = 'oci_image_build_jobs' AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type`
    )
    .all([]) as Array<{ readonly type: string; readonly name: string; readonly sql: string }>
  database.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN IMMEDIATE")
  for (const { name, type } of objects) database.exec(`DROP ${type} ${name}`)
  database.exec(`
    INSERT INTO user (id, name, email, created_at, updated_at)
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ${owners})
    SELECT 'owner-' || n, 'owner', n || '@example.com', 0, 0 FROM n;
    INSERT INTO oci_image_build_jobs (id, owner_user_id, registry_id, repository, tag, request_payload, available_at,
      created_at, updated_at)
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ${jobs})
    SELECT printf('job_owned_%036d', n), 'owner-' || (n % ${owners}), 'registry', 'acme/app', 'tag',
      '{"source":"https://github.com/acme/app","harness":"opencode"}', ${now - jobs} + n, ${now}, ${now} FROM n`)
  for (const { sql, type } of objects) if (type === "index") database.exec(sql)
  database.exec(`
    INSERT INTO build_queue_flows (bucket, priority, queued, step, is_paused, is_open, next_at)
    SELECT owner_user_id, priority, count(*), 720720, 0, 1, min(available_at)
    FROM oci_image_build_jobs INDEXED BY oci_image_build_jobs_lanes_idx
    WHERE status = 'queued' AND owner_user_id IS NOT NULL GROUP BY 1, 2;
    INSERT INTO build_queue_lanes (flow_id, registry_id, concurrency_key, bucket)
    SELECT id, 'registry', '', bucket FROM build_queue_flows WHERE bucket <> ''`)
  for (const { sql, type } of objects) if (type === "trigger") database.exec(sql)
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
  database.close()
}

/** Pauses the jobs of an owner in a file with our tables. */
export const pauseOwner = (file: string, owner: string): void => {
  const database = new Database(file)
  database.prepare("INSERT INTO build_queue_pauses (scope, subject, paused_at) VALUES ('owner', ?1, 0)").run([owner])
  database.close()
}
