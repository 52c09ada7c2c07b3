import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { Factories } from "@sealant/db/testing"
import Native from "libsql"
import { WorkspaceBuildJobStatus } from "../../../src/build-job/WorkspaceBuildJob.js"
import { SandboxId, SandboxStatus } from "../../../src/sandbox/Sandbox.js"
import { SandboxAttemptId, SandboxAttemptStatus } from "../../../src/sandbox/SandboxAttempt.js"
import { SandboxRepo } from "../../../src/sandbox/SandboxRepo.js"
import { SandboxRuntimeStatus } from "../../../src/sandbox/SandboxRuntimeInstance.js"
import { SandboxLifecycle } from "../../../src/sandbox/SandboxLifecycle.js"
import { SandboxStatusView } from "../../../src/sandbox/SandboxViews.js"
import { misderived } from "./invariants.js"
import { issuesOf, planIssues, planOf, recordStatements } from "../../support/plans.js"
import {
  ada,
  answer,
  building,
  eve,
  launch,
  layers,
  pages,
  ready,
  refusalOf,
  type Services,
  shell,
  success,
  tagOf
} from "./support.js"
import { volume } from "../../support/volume.js"

const { make } = Factories

interface Combination {
  readonly attempt: SandboxAttemptStatus
  readonly job: WorkspaceBuildJobStatus | undefined
  readonly runtime: SandboxRuntimeStatus | undefined
  readonly stop: boolean
}

/** Every combination of the tables, possible or not. */
const combinations: ReadonlyArray<Combination> = SandboxAttemptStatus.literals.flatMap((attempt) =>
  [undefined, ...WorkspaceBuildJobStatus.literals].flatMap((job) =>
    [undefined, ...SandboxRuntimeStatus.literals].flatMap((runtime) =>
      [false, true].map((stop) => ({ attempt, job, runtime, stop }))
    )
  )
)

/** The derivation: a failure of the attempt, then the stop, then the end of the job and of the runtime. */
const expected = ({ attempt, job, runtime, stop }: Combination): SandboxStatusView => {
  if (attempt === "failed") return attempt
  if (stop && (runtime === "pending" || runtime === "running")) return "stopping"
  if (attempt === "cancelled") return attempt
  if (stop) return attempt === "succeeded" ? "stopped" : "cancelled"
  if (job === "cancelled") return "cancelled"
  if (job === "failed" || runtime === "failed") return "failed"
  if (runtime === "stopped") return attempt === "succeeded" ? "stopped" : "cancelled"
  if (attempt === "succeeded" && (job === undefined || job === "succeeded") && runtime === "running") return "ready"
  if (attempt === "running" || job === "running") return "running"
  return "queued"
}

const store = ({ attempt, job, runtime, stop }: Combination) =>
  Effect.gen(function* () {
    const run = yield* make.attempt({ ownerUserId: ada, status: attempt })
    const sandbox = yield* make.sandbox({ ownerUserId: ada, latestAttemptId: run.id })
    if (job !== undefined) {
      // An older one with another status does not change the derived status.
      yield* make.buildJob({
        attemptId: run.id,
        status: job === "failed" ? "running" : "failed",
        createdAt: run.createdAt,
        id: `a-${run.id}`
      })
      yield* make.buildJob({ attemptId: run.id, status: job, createdAt: run.createdAt, id: `b-${run.id}` })
    }
    if (runtime !== undefined) yield* make.runtimeInstance({ attemptId: run.id, status: runtime })
    if (stop) yield* shell("UPDATE sandbox_attempts SET stop_requested_at = 0 WHERE id = ?", run.id)
    return sandbox.id
  })

/** Some for each status. The SQL that derives it is the same everywhere, and on a server each is many round trips. */
const sample = SandboxStatusView.literals.flatMap((status) =>
  combinations.filter((combination) => expected(combination) === status).slice(0, volume(8, 4))
)

/** The contract of `getDetail` and `list`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`SandboxLifecycle views (${name})`, () => {
    it.effect(
      "the status is derived from attempt, job, runtime and stop request, in detail, in lists and in their filters",
      () =>
        Effect.gen(function* () {
          const { getDetail, list } = yield* SandboxLifecycle
          const stored = new Map<string, SandboxStatusView>()
          for (const combination of name === "remote" ? sample : combinations) {
            const id = yield* store(combination)
            stored.set(id, expected(combination))
            expect((yield* getDetail({ ownerUserId: ada, id })).status, JSON.stringify(combination)).toBe(
              expected(combination)
            )
          }
          const idsOf = (status: SandboxStatusView) =>
            [...stored].filter(([, derived]) => derived === status).map(([id]) => id)
          const all = yield* pages((page) => list({ ...page, ownerUserId: ada }), 500)
          expect(new Map(all.map(({ sandbox, status }) => [sandbox.id, status]))).toEqual(stored)
          for (const status of SandboxStatusView.literals) {
            const found = yield* pages((page) => list({ ...page, ownerUserId: ada, statuses: [status] }), 7)
            expect(idsOf(status).length).toBeGreaterThan(0)
            expect(found.map(({ sandbox }) => sandbox.id).sort()).toEqual(idsOf(status).sort())
            expect(found.every((view) => view.status === status)).toBe(true)
          }
          const two = yield* pages((page) => list({ ...page, ownerUserId: ada, statuses: ["ready", "running"] }), 10)
          expect(two).toHaveLength(idsOf("ready").length + idsOf("running").length)
          expect((yield* list({ ownerUserId: ada, statuses: [] })).items).toEqual([])
          expect(yield* misderived).toEqual([])
        }).pipe(Effect.provide(layer))
    )

    it.effect("the stored status is updated by writes outside the services: updates, moves and deletions of rows", () =>
      Effect.gen(function* () {
        const [one, two, three] = [
          SandboxAttemptId.make("one"),
          SandboxAttemptId.make("two"),
          SandboxAttemptId.make("three")
        ] as const
        for (const id of [one, two, three]) yield* make.attempt({ id, ownerUserId: ada })
        const sandbox = yield* make.sandbox({ ownerUserId: ada })
        const writes: ReadonlyArray<readonly [statement: string, ...params: ReadonlyArray<unknown>]> = [
          ["UPDATE sandboxes SET latest_run_id = ? WHERE id = ?", one, sandbox.id],
          ["UPDATE sandbox_attempts SET status = 'running', started_at = 0 WHERE id = ?", one],
          ["UPDATE sandboxes SET latest_run_id = ? WHERE id = ?", two, sandbox.id],
          ["UPDATE sandbox_attempts SET stop_requested_at = 0 WHERE id = ?", two],
          ["UPDATE sandboxes SET latest_run_id = ? WHERE id = ?", three, sandbox.id],
          ["UPDATE sandbox_attempts SET status = 'running', started_at = 0 WHERE id = ?", three],
          [
            "INSERT INTO sandbox_runtime_instances (run_id, status, created_at, updated_at) VALUES (?, 'failed', 0, 0)",
            three
          ],
          ["DELETE FROM sandbox_runtime_instances"],
          ["DELETE FROM sandbox_attempts WHERE id = ?", three],
          ["UPDATE sandboxes SET latest_run_id = ? WHERE id = ?", one, sandbox.id]
        ]
        const seen: Array<unknown> = []
        for (const [statement, ...params] of writes) {
          yield* shell(statement, ...params)
          expect(yield* misderived, statement).toEqual([])
          const [row] = yield* shell<{ readonly status: string }>("SELECT derived_status AS status FROM sandboxes")
          seen.push(row?.status)
        }
        expect(seen).toEqual([
          "queued",
          "running",
          "queued",
          "cancelled",
          "queued",
          "running",
          "failed",
          "running",
          "cancelled",
          "running"
        ])
        // The newest job counts, also when it moves to another attempt, or an older one becomes the newest.
        yield* make.buildJob({ id: "old", attemptId: one, status: "failed", createdAt: DateTime.unsafeMake(1) })
        yield* make.buildJob({ id: "new", attemptId: one, status: "running", createdAt: DateTime.unsafeMake(2) })
        for (const statement of [
          "SELECT 1",
          "UPDATE oci_image_build_jobs SET created_at = 3 WHERE id = 'old'",
          `UPDATE oci_image_build_jobs SET run_id = '${two}' WHERE id = 'old'`,
          "DELETE FROM oci_image_build_jobs"
        ]) {
          yield* shell(statement)
          expect(yield* misderived, statement).toEqual([])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("the stored status is derived again when another program writes it", () =>
      Effect.gen(function* () {
        yield* ready
        yield* make.sandbox({ ownerUserId: ada, status: "stopped" })
        for (const status of ["'failed'", "'queued'", "NULL"]) {
          for (const column of ["view_status", "derived_status"]) {
            yield* shell(`UPDATE sandboxes SET ${column} = ${status}`)
            expect(yield* misderived, `${column} ${status}`).toEqual([])
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a sandbox without a derived status is shown with its own, and does not break a list", () =>
      Effect.gen(function* () {
        const { getDetail, list } = yield* SandboxLifecycle
        yield* ready
        for (const name of ["insert", "update"]) yield* shell(`DROP TRIGGER sandboxes_view_status_${name}`)
        const { id } = yield* make.sandbox({ ownerUserId: ada, status: "stopped" })
        yield* shell("UPDATE sandboxes SET view_status = NULL WHERE id = ?", id)
        expect((yield* getDetail({ ownerUserId: ada, id })).status).toBe("stopped")
        expect((yield* list({ ownerUserId: ada })).items.map(({ status }) => status).sort()).toEqual([
          "ready",
          "stopped"
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a sandbox without an attempt has its stored status", () =>
      Effect.gen(function* () {
        const { getDetail, list } = yield* SandboxLifecycle
        for (const status of SandboxStatus.literals) {
          const sandbox = yield* make.sandbox({ ownerUserId: ada, status })
          const none = { attempt: Option.none(), image: Option.none(), runtime: Option.none(), error: Option.none() }
          expect(yield* getDetail({ ownerUserId: ada, id: sandbox.id })).toEqual({
            sandbox,
            status,
            ...none,
            snapshot: Option.none(),
            job: Option.none()
          })
          expect((yield* list({ ownerUserId: ada, statuses: [status] })).items).toEqual([{ sandbox, status, ...none }])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("getDetail fails with NotFound when the owner is missing", () =>
      Effect.gen(function* () {
        const { getDetail } = yield* SandboxLifecycle
        const { sandbox } = yield* building()
        const lost = { id: sandbox.id, ownerUserId: undefined as unknown as string }
        expect(yield* tagOf(getDetail(lost))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("detail contains the newest attempt with all its rows", () =>
      Effect.gen(function* () {
        const lifecycle = yield* SandboxLifecycle
        const { attempt, job, lease, sandbox, snapshot } = yield* building()
        const finished = yield* lifecycle.finishBuild(lease, { ...success, runtime: answer("running") })
        const detail = yield* lifecycle.getDetail({ ownerUserId: ada, id: sandbox.id })
        expect(detail).toMatchObject({
          status: "ready",
          sandbox: { id: sandbox.id, status: "ready" },
          snapshot: Option.some(snapshot)
        })
        expect(Option.getOrThrow(detail.attempt)).toMatchObject({ id: attempt.id, status: "succeeded" })
        expect(Option.getOrThrow(detail.job)).toEqual(finished)
        expect(finished.id).toBe(job.id)
        expect(Option.getOrThrow(detail.runtime)).toMatchObject({
          attemptId: attempt.id,
          status: "running",
          resourceId: Option.some("container")
        })

        yield* lifecycle.stop(sandbox.id)
        const next = yield* lifecycle.retry(sandbox.id)
        const after = yield* lifecycle.getDetail({ ownerUserId: ada, id: sandbox.id })
        expect(after).toMatchObject({
          status: "queued",
          attempt: Option.some(next.attempt),
          job: Option.some(next.job),
          runtime: Option.none()
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("rows of other owners are reported as NotFound", () =>
      Effect.gen(function* () {
        const { getDetail, list } = yield* SandboxLifecycle
        const { sandbox } = yield* ready
        const hers = yield* launch({ ownerUserId: eve })
        expect(yield* refusalOf(getDetail({ ownerUserId: eve, id: sandbox.id }))).toMatchObject({
          _tag: "NotFound",
          entity: "Sandbox",
          id: sandbox.id
        })
        expect(yield* tagOf(getDetail({ ownerUserId: ada, id: SandboxId.make("gone") }))).toBe("NotFound")
        expect((yield* list({ ownerUserId: ada })).items.map((view) => view.sandbox.id)).toEqual([sandbox.id])
        expect(
          (yield* list({ ownerUserId: eve, statuses: ["ready", "queued"] })).items.map((view) => view.sandbox.id)
        ).toEqual([hers.sandbox.id])
        expect((yield* list({ ownerUserId: "nobody" })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first, in pages that survive inserts, without archived ones unless asked", () =>
      Effect.gen(function* () {
        const { list } = yield* SandboxLifecycle
        const ids: Array<string> = []
        for (let count = 0; count < 7; count++) {
          // Two of each moment.
          if (count % 2 === 0) yield* TestClock.adjust("1 second")
          ids.unshift((yield* launch()).sandbox.id)
        }
        const newer = Effect.zipRight(TestClock.adjust("1 second"), launch())
        const found = yield* pages((page) => Effect.orDie(list({ ...page, ownerUserId: ada })), 3, Effect.orDie(newer))
        expect(found.map(({ sandbox }) => sandbox.id)).toEqual(ids)

        const [, archived] = ids
        yield* (yield* SandboxRepo).archive(SandboxId.make(archived ?? ""))
        const left = (yield* list({ ownerUserId: ada })).items.map(({ sandbox }) => sandbox.id)
        expect(left).not.toContain(archived)
        expect(
          (yield* list({ ownerUserId: ada, includeArchived: true })).items.map(({ sandbox }) => sandbox.id)
        ).toContain(archived)
        expect(left).toHaveLength(8)
        expect((yield* list({ ownerUserId: ada })).nextCursor).toEqual(Option.none())
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects a malformed cursor and a limit out of range", () =>
      Effect.gen(function* () {
        const { list } = yield* SandboxLifecycle
        for (const page of [{ cursor: "x" }, { cursor: "" }, { limit: 0 }, { limit: 501 }, { limit: 1.5 }]) {
          expect(yield* refusalOf(list({ ownerUserId: ada, ...page }))).toMatchObject({
            _tag: "InvalidInput",
            operation: "SandboxLifecycle.list"
          })
        }
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

it.effect("the stored status is updated by a program that writes without foreign keys", () =>
  Effect.gen(function* () {
    const { list } = yield* SandboxLifecycle
    yield* ready
    const [database] = yield* shell<{ readonly file: string }>("PRAGMA database_list")
    const other = yield* Effect.acquireRelease(
      Effect.sync(() => new Native(database?.file ?? "")),
      (opened) => Effect.sync(() => opened.close())
    )
    other.exec("PRAGMA foreign_keys = off")
    const attempt = `INSERT INTO sandbox_attempts (id, owner_user_id, status, queued_at, started_at, created_at, updated_at)
      VALUES ('later', '${ada}', 'running', 0, 0, 0, 0)`
    const writes = [
      [
        "ready",
        `INSERT INTO sandboxes (id, name, owner_user_id, status, latest_run_id, created_at, updated_at) VALUES ('s', 'x', '${ada}', 'ready', 'later', 0, 0)`
      ],
      ["running", attempt],
      ["ready", "DELETE FROM sandbox_attempts WHERE id = 'later'"],
      ["failed", "UPDATE sandboxes SET status = 'failed' WHERE id = 's'"],
      ["running", attempt],
      [
        "running",
        "INSERT INTO sandbox_runtime_instances (run_id, status, created_at, updated_at) VALUES ('elsewhere', 'failed', 0, 0)"
      ],
      ["failed", "UPDATE sandbox_runtime_instances SET run_id = 'later' WHERE run_id = 'elsewhere'"],
      ["running", "UPDATE sandbox_runtime_instances SET run_id = 'elsewhere' WHERE run_id = 'later'"]
    ] as const
    for (const [status, statement] of writes) {
      other.exec(statement)
      expect(yield* misderived, statement).toEqual([])
      expect(
        (yield* list({ ownerUserId: ada })).items.find(({ sandbox }) => sandbox.id === "s")?.status,
        statement
      ).toBe(status)
    }
  }).pipe(Effect.scoped, Effect.provide(layers.file))
)

describe("SandboxLifecycle query plans", () => {
  it.effect("views use an index, and lists the one of the owner, with the status if it is filtered", () =>
    Effect.gen(function* () {
      const { getDetail, list } = yield* SandboxLifecycle
      const { sandbox } = yield* ready
      const statuses = ["ready", "failed"] as const
      const requests = [{}, { statuses }, { includeArchived: true }, { statuses, includeArchived: true, limit: 10 }]
      expect(yield* planIssues(getDetail({ ownerUserId: ada, id: sandbox.id }))).toEqual([])
      for (const request of requests) expect(yield* planIssues(list({ ownerUserId: ada, ...request }))).toEqual([])
      for (const request of requests) {
        const [first] = yield* Effect.flatMap(recordStatements(list({ ownerUserId: ada, ...request })), (statements) =>
          Effect.forEach(statements, planOf)
        )
        const index =
          "statuses" in request
            ? "sandboxes_owner_user_id_view_status_created_at_idx"
            : "sandboxes_owner_user_id_created_at_idx"
        const walked = first?.filter((line) => line.startsWith("SEARCH s "))
        expect(walked).toHaveLength("statuses" in request ? 2 : 1)
        for (const line of walked ?? []) expect(line).toContain(`SEARCH s USING INDEX ${index}`)
      }
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("details and triggers search by keys when the statistics are of tables with one row", () =>
    Effect.gen(function* () {
      const { getDetail } = yield* SandboxLifecycle
      const { sandbox } = yield* ready
      yield* make.execution({ sandboxId: sandbox.id, issueWorkflowId: (yield* make.workflow({ ownerUserId: ada })).id })
      yield* shell("ANALYZE")
      expect(yield* planIssues(getDetail({ ownerUserId: ada, id: sandbox.id }))).toEqual([])
      const triggers = yield* shell<{ readonly name: string; readonly sql: string }>(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
      )
      // Their statements, with parameters in place of the rows that fire them; a refusal has none.
      const statements = triggers
        .map(({ name, sql }) => ({ name, body: sql.slice(sql.indexOf("BEGIN") + 5, sql.lastIndexOf("END")) }))
        .filter(({ body }) => !body.includes("RAISE("))
        .flatMap(({ body, name }) =>
          body
            .split(";")
            .filter((text) => text.trim() !== "")
            .map((text) => ({ name, text: text.replace(/\b(?:NEW|OLD)\.\w+/g, "?1") }))
        )
      expect(new Set(statements.map(({ name }) => name)).size).toBeGreaterThan(10)
      for (const { name, text } of statements) {
        const params = text.includes("?1") ? ["x"] : []
        const plan = yield* planOf({ text, params })
        // A change of the defaults updates every flow, and `sqlite_sequence` has one row for each table.
        expect(
          plan.filter((line) =>
            /^SCAN (?!CONSTANT ROW|sqlite_sequence)\w|B-TREE FOR ORDER|_status_created_at_idx/.test(line)
          ),
          name
        ).toEqual(name.startsWith("owner_limit_defaults_") ? ["SCAN build_queue_flows"] : [])
      }
    }).pipe(Effect.provide(layers.file))
  )

  it.effect("every statement of an operation uses an index", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SandboxLifecycle
      const { attempt, lease, sandbox } = yield* building()
      const operations: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
        launch: lifecycle.launch({
          ownerUserId: ada,
          name: "one",
          spec: Factories.exampleSpec,
          registryId: "r",
          repository: "a",
          tag: "t",
          idempotencyKey: "k"
        }),
        findLaunch: lifecycle.findLaunch({ ownerUserId: ada, idempotencyKey: "k" }),
        beginBuild: lifecycle.beginBuild(lease),
        recordRuntime: lifecycle.recordRuntime(attempt.id, answer("pending")),
        finishBuild: lifecycle.finishBuild(lease, { ...success, runtime: answer("running") }),
        failBuild: Effect.ignore(lifecycle.failBuild(lease, { errorMessage: "no" })),
        stop: lifecycle.stop(sandbox.id),
        cancel: lifecycle.cancel({ id: sandbox.id, reason: "enough" }),
        retry: lifecycle.retry(sandbox.id),
        rebuild: Effect.ignore(lifecycle.rebuild(sandbox.id)),
        supervise: lifecycle.supervise({ limit: 10, runtimeDeadline: "1 minute" })
      }
      const recorded = yield* Effect.forEach(Object.entries(operations), ([operation, effect]) =>
        Effect.map(recordStatements(effect), (statements) => ({ operation, statements }))
      )
      for (const { operation, statements } of recorded) expect(yield* issuesOf(statements), operation).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})
