/**
 * The queue of teardowns of runtimes, over the table `runtime_teardowns`.
 *
 * Guarantees:
 * - A stop request for an attempt with an active runtime requests the teardown in the same write, whichever program
 *   writes it. The teardown outlives the sandbox, the attempt and their owner.
 * - At most one teardown of a resource is active, and at most one lease on it is current. Each write of a worker carries
 *   the token of its lease.
 * - The cost of a claim does not depend on the depth of the queue.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Context, type Duration, Effect, Layer, type Option } from "effect"
import type { InvalidInput, LeaseLost, NotFound, PersistenceError } from "../Errors.js"
import type { ClaimRequest, LeaseMethods } from "../leasing/LeaseMethods.js"
import { leasesOn } from "../leasing/leases.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  type ClaimedTeardown,
  RuntimeTeardown,
  RuntimeTeardownStatus,
  type TeardownLease,
  type TeardownStats
} from "./RuntimeTeardown.js"
import { teardownsClaimed, teardownsRetried } from "./teardownMetrics.js"
import { teardownTexts } from "./teardownStatements.js"

/**
 * Methods of `RuntimeTeardownRepo`. `RuntimeWorker` calls them; the results of a teardown are recorded with
 * `SandboxLifecycle.finishTeardown` and `SandboxLifecycle.failTeardown`.
 *
 * Internal: for workers and operators, not for request handlers.
 */
export interface RuntimeTeardownService
  extends Pick<
    LeaseMethods<TeardownLease, RuntimeTeardown, ClaimedTeardown, TeardownStats>,
    "claimNext" | "heartbeat" | "release" | "stats"
  > {
  /**
   * Claims a teardown if it is due. Returns `None` if it is not due, or does not exist. Fails with `InvalidInput` as
   * `claimNext` does.
   */
  readonly claimById: (
    request: ClaimRequest & { readonly id: string }
  ) => Effect.Effect<Option.Option<ClaimedTeardown>, InvalidInput | PersistenceError>

  /** Finds a teardown by id. */
  readonly findById: (id: string) => Effect.Effect<Option.Option<RuntimeTeardown>, PersistenceError>

  /** Returns a teardown by id. Fails with `NotFound`. */
  readonly getById: (id: string) => Effect.Effect<RuntimeTeardown, NotFound | PersistenceError>

  /**
   * Lists the teardowns in one state, newest first. Fails with `InvalidInput` if the cursor is malformed, the limit is
   * out of range or the status is unknown.
   */
  readonly listByStatus: (
    request: Page.PageRequest & { readonly status: RuntimeTeardownStatus }
  ) => Effect.Effect<Page.Page<RuntimeTeardown>, InvalidInput | PersistenceError>
}

const service = "RuntimeTeardownRepo"
const own = operations(service, "RuntimeTeardown")
const { decodeInput, onlyFields, orNotFound, traced } = own

const heldBy = ({ teardownId, token, workerId }: TeardownLease) => ({ id: teardownId, token, workerId })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(columnList(RuntimeTeardown))
  const teardowns = yield* rowsOf(RuntimeTeardown)
  const leases = leasesOn<RuntimeTeardown, ClaimedTeardown>(sql, teardowns, own, {
    service,
    entity: "RuntimeTeardown",
    none: { queued: 0, running: 0, succeeded: 0, failed: 0 },
    waiting: "queued",
    held: "running",
    noun: "teardown",
    texts: teardownTexts,
    claimDue: teardownTexts.claimDue,
    claimed: (teardown, workerId) => ({
      teardown,
      lease: { teardownId: teardown.id, workerId, token: teardown.leaseToken }
    }),
    rowOf: ({ teardown }) => teardown,
    claims: teardownsClaimed,
    retries: teardownsRetried
  })
  const findById = (id: string) => teardowns.findOne(sql.unsafe(teardownTexts.byId, [id]))

  const methods: RuntimeTeardownService = {
    claimNext: (request: ClaimRequest) => leases.claimNext(request).pipe(traced("claimNext")),

    claimById: (request) => leases.claimById(request).pipe(traced("claimById", { "teardown.id": String(request.id) })),

    heartbeat: (lease: TeardownLease, duration: Duration.DurationInput) =>
      leases.heartbeat(heldBy(lease), duration).pipe(traced("heartbeat", { "teardown.id": lease.teardownId })),

    release: (lease: TeardownLease): Effect.Effect<RuntimeTeardown, LeaseLost | PersistenceError> =>
      leases.release(heldBy(lease)).pipe(traced("release", { "teardown.id": lease.teardownId })),

    stats: leases.stats.pipe(traced("stats")),

    findById: (id) => findById(String(id)).pipe(traced("findById", { "teardown.id": String(id) })),

    getById: (id) =>
      findById(String(id)).pipe(
        Effect.flatMap(orNotFound(String(id))),
        traced("getById", { "teardown.id": String(id) })
      ),

    listByStatus: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("listByStatus", ["status", ...Page.fields])(request)
        const status = yield* decodeInput("listByStatus", RuntimeTeardownStatus)(request.status)
        const start = yield* Page.start(`${service}.listByStatus`, request)
        const found = yield* teardowns.findPage(sql`
          SELECT ${columns} FROM runtime_teardowns
          WHERE status = ${status} AND ${Page.afterCursor(sql, start, "created_at", "id")}
          ORDER BY created_at DESC, id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, ({ createdAt, id }) => [createdAt, id])
      }).pipe(traced("listByStatus"))
  }
  return methods
})

/** The queue of teardowns of runtimes. */
export class RuntimeTeardownRepo extends Context.Tag("@sealant/db/RuntimeTeardownRepo")<
  RuntimeTeardownRepo,
  RuntimeTeardownService
>() {
  /** Provides the teardowns over `SqlClient`. */
  static readonly layer: Layer.Layer<RuntimeTeardownRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
