/**
 * The sandboxes of an imported database: their status follows from attempt, job and runtime, and each can be used
 * accordingly. The files were written by the predecessor's own flows.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { ControlPlane, KeyRing, LegacyImport, SandboxLifecycle, SandboxRepo, WorkspaceBuildJobRepo } from "@sealant/db"
import { Duration, Effect, Layer, Option, TestClock } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { testKey } from "../../src/testing/secrets.js"
import { findStuck } from "../../src/operations/stuck.js"
import { memoryLayer } from "../support/database.js"
import {
  changed,
  count,
  deployedRows,
  expectLegal,
  importRows,
  legacyPath,
  reportedCounts,
  type Row,
  type Rows
} from "./source.js"

const layer = Layer.provideMerge(Layer.provide(ControlPlane.layer, Layer.orDie(KeyRing.layer([testKey]))), memoryLayer)

/** A minute after the last write to both files. */
const afterFlows = 1_796_025_800_000

const importFixture = (name: string, now = afterFlows) =>
  Effect.gen(function* () {
    const { path } = yield* legacyPath
    writeFileSync(path, gunzipSync(readFileSync(new URL(`../fixtures/legacy/${name}.sqlite.gz`, import.meta.url))))
    yield* TestClock.setTime(now)
    return yield* LegacyImport.run(path)
  })

/** All sandboxes, with the status of the row and the derived one. */
const listAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const owners = yield* sql<{ readonly id: string }>`SELECT DISTINCT owner_user_id AS id FROM sandboxes ORDER BY id`
  const lifecycle = yield* SandboxLifecycle
  const pages = yield* Effect.forEach(owners, ({ id }) =>
    lifecycle.list({ ownerUserId: id, includeArchived: true, limit: 500 })
  )
  return pages.flatMap(({ items }) => items)
})

const nothingStuck = Effect.map(findStuck, ({ ownerlessWorkflows, consumers, ...counts }) => {
  expect([ownerlessWorkflows, consumers]).toEqual([[], []])
  for (const [name, found] of Object.entries(counts)) expect([name, found]).toEqual([name, Option.none()])
})

/** Uses a sandbox as its status allows, and deletes it. */
const useAndDelete = (id: string, ownerUserId: string) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const by = { id, ownerUserId }
    const { status } = yield* Effect.map(lifecycle.getDetail(by), ({ sandbox }) => sandbox)
    if (status === "failed") {
      expect(yield* Effect.flip(lifecycle.stop(by))).toMatchObject({ _tag: "InvalidTransition" })
    } else {
      if (status !== "stopped") {
        expect(yield* Effect.flip(lifecycle.retry(by))).toMatchObject({ _tag: "InvalidTransition" })
      }
      expect((yield* lifecycle.stop(by)).status).toBe("stopped")
    }
    const retried = yield* lifecycle.retry(by)
    expect([retried.sandbox.status, retried.attempt.status, retried.job.status]).toEqual(["queued", "queued", "queued"])
    expect((yield* lifecycle.stop(by)).status).toBe("stopped")
    expect((yield* lifecycle.rebuild(by)).sandbox.status).toBe("queued")
    yield* lifecycle.delete(by)
    expect(Option.isNone(yield* (yield* SandboxRepo).findById(by))).toBe(true)
  })

describe.each(["flows", "last-release"])("an import of %s.sqlite", (name) => {
  it.scoped("rejects only duplicates, ignores nothing, and leaves nothing for the doctor", () =>
    Effect.gen(function* () {
      const report = yield* importFixture(name)
      expect(report).toMatchObject({ rejected: 2, ignored: [], repeated: false })
      expect(report.tables.flatMap(({ rejects }) => rejects)).toEqual([
        { rows: 1, what: "already exists: issue_workflows.issue_id" },
        {
          rows: 1,
          what: "already exists: issue_workflow_execution_diff_files.execution_id, issue_workflow_execution_diff_files.path"
        }
      ])
      expect(reportedCounts(report, "repaired", "sandboxes")).toEqual({
        "status: derived from the rows that determine it": 4
      })
      yield* expectLegal
      yield* nothingStuck
    }).pipe(Effect.provide(layer))
  )

  it.scoped("counts the waiting time of imported jobs and deliveries from the import on", () =>
    Effect.gen(function* () {
      yield* importFixture(name, afterFlows + Duration.toMillis("30 days"))
      yield* nothingStuck
      yield* TestClock.adjust("14 minutes")
      yield* nothingStuck
      yield* TestClock.adjust("6 minutes")
      const { dueJobs } = yield* findStuck
      expect(dueJobs).toEqual(Option.some({ count: 2, longest: Duration.minutes(20) }))
    }).pipe(Effect.provide(layer))
  )

  it.scoped("derives the status of each sandbox from its attempt, job and runtime", () =>
    Effect.gen(function* () {
      yield* importFixture(name)
      const statuses = (yield* listAll).map(({ sandbox, status }) => [sandbox.status, status]).toSorted()
      expect(statuses).toEqual([
        ["failed", "failed"],
        ["failed", "failed"],
        ["queued", "queued"],
        ["ready", "ready"],
        ["running", "running"]
      ])
    }).pipe(Effect.provide(layer))
  )

  it.scoped("imports sandboxes that can be listed, retried, stopped and deleted as their status allows", () =>
    Effect.gen(function* () {
      yield* importFixture(name)
      const sandboxes = yield* listAll
      expect(sandboxes).toHaveLength(5)
      for (const { sandbox } of sandboxes) yield* useAndDelete(sandbox.id, sandbox.ownerUserId)
      expect(yield* listAll).toEqual([])
      yield* nothingStuck
    }).pipe(Effect.provide(layer))
  )
})

it.scoped(
  "an import of the last SQLite release renames keys of specs and results, and the column of the executor",
  () =>
    Effect.gen(function* () {
      const report = yield* importFixture("last-release")
      expect(reportedCounts(report, "repaired", "sandbox_attempt_snapshots")).toEqual({
        "user_spec_payload: sandbox renamed to workspace": 5,
        "resolved_spec_payload: sandbox renamed to workspace": 5,
        "blueprint_payload: sandbox renamed to workspace": 5
      })
      expect(reportedCounts(report, "repaired", "oci_image_build_jobs")).toMatchObject({
        "request_payload: sandbox renamed to workspace": 5,
        "result_payload: builder renamed to executor": 2
      })
      const jobs = yield* WorkspaceBuildJobRepo
      const { items } = yield* jobs.listByStatus({ status: "succeeded" })
      expect(items).toHaveLength(2)
      for (const { executorId, requestPayload, resultPayload } of items) {
        expect(executorId).toEqual(Option.some("nix"))
        expect(requestPayload.sources?.workspace).toMatchObject({ url: "https://github.com/example/repo" })
        expect(Option.getOrThrow(resultPayload).executor).toEqual({ id: "nix", osFamily: "nix" })
      }
    }).pipe(Effect.provide(layer))
)

it.scoped("an import keeps a document that has the former and the current name of a key", () =>
  Effect.gen(function* () {
    const both = { harness: "codex", sources: { workspace: "https://a.example/b", sandbox: "https://a.example/c" } }
    const report = yield* importRows(
      changed(deployedRows, "oci_image_build_jobs", (_, index) =>
        index === 0 ? { request_payload: JSON.stringify(both) } : undefined
      )
    )
    expect(reportedCounts(report, "rejects", "oci_image_build_jobs")).toEqual({ "request_payload: is invalid": 1 })
  }).pipe(Effect.provide(memoryLayer))
)

it.scoped("an import renames the working root and the blueprint in a result, and the template of a profile", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const former = { runtime: { sandboxRoot: "/srv" }, env: { sandboxRoot: "kept" } }
    const rows = ["profile_revisions", "repository_profile_revisions"].reduce(
      (rows, table) =>
        changed(rows, table, (_, index) =>
          index === 0
            ? { [table === "profile_revisions" ? "config_patch" : "run_template"]: JSON.stringify(former) }
            : undefined
        ),
      deployedRows
    )
    const report = yield* importRows(rows)
    expect(reportedCounts(report, "repaired", "profile_revisions")).toEqual({
      "config_patch: sandboxRoot renamed to workspaceRoot": 1
    })
    const [first] = deployedRows["repository_profile_revisions"] ?? []
    expect(
      yield* sql`SELECT run_template FROM repository_profile_revisions WHERE id = ${String(first?.["id"])}`
    ).toEqual([{ run_template: JSON.stringify({ runtime: { workspaceRoot: "/srv" }, env: { sandboxRoot: "kept" } }) }])
  }).pipe(Effect.provide(memoryLayer))
)

const published: Row = {
  executor_id: "nix",
  result_payload: JSON.stringify({
    executor: { id: "nix", osFamily: "nix" },
    artifacts: [{ kind: "manifest", name: "image", path: "/image.json", format: "json" }]
  }),
  published_reference: "registry.example/image:1",
  published_digest_reference: "registry.example/image@sha256:0",
  published_digest: "sha256:0"
}

const attemptStatuses = ["queued", "running", "succeeded", "failed", "cancelled"]
const jobStatuses = ["none", "queued", "running", "exhausted", "succeeded", "failed"]
const runtimeStatuses = ["none", "pending", "running", "failed", "stopped"]

/** One sandbox of each combination of attempt, job and runtime, and sandboxes without an attempt. */
const combinations = (() => {
  const all = attemptStatuses.flatMap((attempt) =>
    jobStatuses.flatMap((job) => runtimeStatuses.map((runtime) => ({ attempt, job, runtime })))
  )
  const [user] = deployedRows["user"] ?? []
  const [ofSandbox, ofAttempt, ofSnapshot, ofJob, ofRuntime] = [
    "sandboxes",
    "sandbox_attempts",
    "sandbox_attempt_snapshots",
    "oci_image_build_jobs",
    "sandbox_runtime_instances"
  ].map((table) => deployedRows[table]?.[0] ?? {})
  const at = 1_700_000_000_000
  const owner = { owner_user_id: user?.["id"], created_at: at, updated_at: at }
  const unlinked = {
    repository_id: null,
    profile_revision_id: null,
    repository_profile_revision_id: null,
    issue_id: null,
    retry_of_run_id: null,
    requested_by_user_id: null,
    archived_at: null
  }
  const sandbox = (id: string, values: Row): Row => ({
    ...ofSandbox,
    ...unlinked,
    ...owner,
    id,
    status: "queued",
    ...values
  })
  const having = (key: "job" | "runtime") => all.filter((one) => one[key] !== "none")
  const idOf = ({ attempt, job, runtime }: (typeof all)[number]) => `${attempt}-${job}-${runtime}`
  const rows: Rows = {
    ...Object.fromEntries(Object.keys(deployedRows).map((table) => [table, []])),
    user: deployedRows["user"] ?? [],
    sandbox_attempts: all.map((one) => ({
      ...ofAttempt,
      ...unlinked,
      ...owner,
      id: idOf(one),
      status: one.attempt,
      queued_at: at,
      started_at: one.attempt === "queued" ? null : at,
      finished_at: null,
      duration_ms: null,
      cancel_reason: null
    })),
    sandbox_attempt_snapshots: all.map((one) => ({ ...ofSnapshot, run_id: idOf(one) })),
    oci_image_build_jobs: having("job").map((one) => ({
      ...ofJob,
      id: idOf(one),
      run_id: idOf(one),
      idempotency_key: null,
      status: one.job === "exhausted" ? "running" : one.job,
      attempt_count: one.job === "exhausted" ? 3 : 1,
      max_attempts: 3,
      available_at: at,
      started_at: at,
      finished_at: null,
      created_at: at,
      updated_at: at,
      error_message: one.job === "failed" ? "it failed" : null,
      ...(one.job === "succeeded" ? published : {})
    })),
    sandbox_runtime_instances: having("runtime").map((one) => ({
      ...ofRuntime,
      run_id: idOf(one),
      status: one.runtime,
      launched_at: at,
      finished_at: one.runtime === "failed" || one.runtime === "stopped" ? at : null,
      error_message: one.runtime === "failed" ? "it failed" : null,
      created_at: at,
      updated_at: at
    })),
    sandboxes: [
      ...all.map((one) => sandbox(idOf(one), { latest_run_id: idOf(one) })),
      ...["queued", "running", "ready", "failed", "stopped"].map((status) =>
        sandbox(`no-attempt-${status}`, { status, latest_run_id: null })
      )
    ],
    sandbox_run_links: all.map((one) => ({
      sandbox_id: idOf(one),
      run_id: idOf(one),
      relation: "launch",
      linked_at: at
    }))
  }
  return { all, idOf, rows, at }
})()

describe("an import of every combination of attempt, job and runtime", () => {
  const { all, at, idOf, rows } = combinations

  it.scoped("leaves no sandbox that waits without work for a worker, after supervision", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      expect((yield* importRows(rows)).rejected).toBe(0)
      yield* TestClock.adjust("2 days")
      const lifecycle = yield* SandboxLifecycle
      expect(yield* lifecycle.supervise({ limit: 1000, runtimeDeadline: "15 minutes" })).toMatchObject({ failed: 0 })
      const statuses = new Map((yield* listAll).map(({ sandbox }) => [String(sandbox.id), sandbox.status]))
      const waiting = [...statuses].flatMap(([id, status]) => (status === "queued" || status === "running" ? [id] : []))
      const isActive = (status: string) => status === "queued" || status === "running"
      // The end of a runtime ends its attempt.
      const continuing = all.filter(
        ({ attempt, job, runtime }) =>
          isActive(attempt) && isActive(job) && runtime !== "failed" && runtime !== "stopped"
      )
      expect(waiting.toSorted()).toEqual(continuing.map(idOf).toSorted())
      for (const one of all) {
        if (one.attempt !== "succeeded" || one.job === "failed" || one.job === "exhausted") continue
        expect([idOf(one), statuses.get(idOf(one))]).toEqual([
          idOf(one),
          { running: "ready", none: "stopped", stopped: "stopped" }[one.runtime] ?? "failed"
        ])
      }
      for (const status of ["queued", "running", "ready", "failed"])
        expect(statuses.get(`no-attempt-${status}`)).toBe("failed")
    }).pipe(Effect.provide(layer))
  )

  it.scoped("imports sandboxes that can be retried, stopped and deleted as their status allows", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      yield* importRows(rows)
      const lifecycle = yield* SandboxLifecycle
      for (const { sandbox } of yield* listAll) {
        const { id, ownerUserId } = sandbox
        // A retry copies the request of the previous job.
        if (/-none-|no-attempt/.test(id)) yield* lifecycle.delete({ id, ownerUserId })
        else yield* useAndDelete(id, ownerUserId)
      }
      expect(yield* count("sandboxes")).toBe(0)
    }).pipe(Effect.provide(layer))
  )
})
