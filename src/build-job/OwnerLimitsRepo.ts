/**
 * The limits of owners, over the tables `owner_limits` and `owner_limit_defaults`.
 *
 * - A limit of an owner without its own is the default. A default that is not set is no limit.
 * - Running builds are limited inside the claim, quotas inside the writes of `enqueue` and `launch`. Changed limits apply
 *   from the next claim, enqueue or launch on. Running builds and live sandboxes are not ended.
 *
 * Internal: for operators and services, not for request handlers.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { InvalidInput, PersistenceError, ReferenceNotFound } from "../Errors.js"
import { operations } from "../sql/operations.js"
import * as Page from "../sql/page.js"
import { resolveForeignKeyError } from "../sql/references.js"
import { columnList, rowsOf } from "../sql/rows.js"
import {
  type EffectiveLimits,
  OwnerLimitDefaults,
  OwnerLimits,
  SetDefaultLimits,
  SetOwnerLimits
} from "./OwnerLimits.js"

/** Methods of `OwnerLimitsRepo`. */
export interface OwnerLimitsService {
  /** Returns the limits that apply to an owner: its own ones, and the defaults for all others. */
  readonly get: (ownerUserId: string) => Effect.Effect<EffectiveLimits, PersistenceError>

  /**
   * Replaces the limits of an owner. Omitted limits are the defaults.
   *
   * Fails with `ReferenceNotFound` if the owner does not exist, with `InvalidInput` if a limit is out of range.
   */
  readonly set: (
    limits: typeof SetOwnerLimits.Encoded
  ) => Effect.Effect<OwnerLimits, ReferenceNotFound | InvalidInput | PersistenceError>

  /** Returns the default limits. */
  readonly getDefaults: Effect.Effect<EffectiveLimits, PersistenceError>

  /** Replaces the default limits. Omitted ones are no limits. Fails with `InvalidInput` if a limit is out of range. */
  readonly setDefaults: (
    limits: typeof SetDefaultLimits.Encoded
  ) => Effect.Effect<EffectiveLimits, InvalidInput | PersistenceError>

  /**
   * Lists the owners with limits of their own, newest first. Fails with `InvalidInput` if the cursor is malformed or the
   * limit is out of range.
   */
  readonly list: (request: Page.PageRequest) => Effect.Effect<Page.Page<OwnerLimits>, InvalidInput | PersistenceError>
}

const { decodeInput, onlyFields, traced } = operations("OwnerLimitsRepo", "OwnerLimits")

const noLimits: EffectiveLimits = {
  weight: 1,
  maxRunningBuilds: Option.none(),
  maxQueuedBuilds: Option.none(),
  maxLiveSandboxes: Option.none()
}

type Limits = Omit<typeof OwnerLimitDefaults.Type, "id" | "updatedAt">

const effective = (own: Option.Option<Limits>, defaults: Option.Option<Limits>): EffectiveLimits => {
  const limit = (name: keyof Limits) =>
    Option.orElse(
      Option.flatMap(own, (row) => row[name]),
      () => Option.flatMap(defaults, (row) => row[name])
    )
  return {
    weight: Option.getOrElse(limit("weight"), () => noLimits.weight),
    maxRunningBuilds: limit("maxRunningBuilds"),
    maxQueuedBuilds: limit("maxQueuedBuilds"),
    maxLiveSandboxes: limit("maxLiveSandboxes")
  }
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const owners = yield* rowsOf(OwnerLimits)
  const defaults = yield* rowsOf(OwnerLimitDefaults)
  const columns = sql.literal(columnList(OwnerLimits))
  const defaultColumns = sql.literal(columnList(OwnerLimitDefaults))

  const findDefaults = defaults.findOne(sql`SELECT ${defaultColumns} FROM owner_limit_defaults WHERE id = 1`)

  const service: OwnerLimitsService = {
    get: (ownerUserId) =>
      Effect.gen(function* () {
        const own = yield* owners.findOne(sql`SELECT ${columns} FROM owner_limits WHERE owner_user_id = ${ownerUserId}`)
        return effective(own, yield* findDefaults)
      }).pipe(traced("get")),

    set: (request) =>
      Effect.gen(function* () {
        const { maxLiveSandboxes, maxQueuedBuilds, maxRunningBuilds, ownerUserId, weight } = yield* decodeInput(
          "set",
          SetOwnerLimits
        )(request)
        const now = yield* Clock.currentTimeMillis
        return yield* owners.single(sql`
          INSERT INTO owner_limits (owner_user_id, weight, max_running_builds, max_queued_builds, max_live_sandboxes,
            created_at, updated_at)
          VALUES (${ownerUserId}, ${weight ?? null}, ${maxRunningBuilds ?? null}, ${maxQueuedBuilds ?? null},
            ${maxLiveSandboxes ?? null}, ${now}, ${now})
          ON CONFLICT (owner_user_id) DO UPDATE SET
            weight = excluded.weight, max_running_builds = excluded.max_running_builds,
            max_queued_builds = excluded.max_queued_builds, max_live_sandboxes = excluded.max_live_sandboxes,
            updated_at = excluded.updated_at
          RETURNING ${columns}`)
      }).pipe(
        traced("set", ["ReferenceNotFound"]),
        Effect.catchTag(
          "ReferenceNotFound",
          resolveForeignKeyError(sql, () => [
            { field: "ownerUserId", table: "user", id: Option.some(request.ownerUserId) }
          ])
        )
      ),

    getDefaults: Effect.map(findDefaults, (found) => effective(Option.none(), found)).pipe(traced("getDefaults")),

    setDefaults: (request) =>
      Effect.gen(function* () {
        const { maxLiveSandboxes, maxQueuedBuilds, maxRunningBuilds, weight } = yield* decodeInput(
          "setDefaults",
          SetDefaultLimits
        )(request)
        const now = yield* Clock.currentTimeMillis
        const stored = yield* defaults.single(sql`
          INSERT INTO owner_limit_defaults (id, weight, max_running_builds, max_queued_builds, max_live_sandboxes,
            updated_at)
          VALUES (1, ${weight ?? null}, ${maxRunningBuilds ?? null}, ${maxQueuedBuilds ?? null},
            ${maxLiveSandboxes ?? null}, ${now})
          ON CONFLICT (id) DO UPDATE SET
            weight = excluded.weight, max_running_builds = excluded.max_running_builds,
            max_queued_builds = excluded.max_queued_builds, max_live_sandboxes = excluded.max_live_sandboxes,
            updated_at = excluded.updated_at
          RETURNING ${defaultColumns}`)
        return effective(Option.none(), Option.some(stored))
      }).pipe(traced("setDefaults")),

    list: (request) =>
      Effect.gen(function* () {
        yield* onlyFields("list", Page.fields)(request)
        const start = yield* Page.start("OwnerLimitsRepo.list", request)
        const found = yield* owners.findPage(sql`
          SELECT ${columns} FROM owner_limits
          WHERE ${Page.afterCursor(sql, start, "created_at", "owner_user_id")}
          ORDER BY created_at DESC, owner_user_id DESC LIMIT ${start.limit + 1}`)
        return Page.make(found, start, (row) => [row.createdAt, row.ownerUserId])
      }).pipe(traced("list"))
  }
  return service
})

/** The limits of owners. */
export class OwnerLimitsRepo extends Context.Tag("@sealant/db/OwnerLimitsRepo")<OwnerLimitsRepo, OwnerLimitsService>() {
  /** The repository over `SqlClient`. */
  static readonly layer: Layer.Layer<OwnerLimitsRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
