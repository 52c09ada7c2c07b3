/**
 * The limits of owners: their share of the build queue, and their quotas.
 */
import { Schema } from "effect"
import { UserId } from "../auth/User.js"
import { Count, existing, optional, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"

/** A row of `owner_limits`: the limits that differ from the defaults. */
export class OwnerLimits extends Model.Class<OwnerLimits>("OwnerLimits")(
  {
    ownerUserId: UserId,
    /** The share of the queue in relation to other owners: 1 to 1,000. */
    weight: optional(Count),
    maxRunningBuilds: optional(Count),
    maxQueuedBuilds: optional(Count),
    maxLiveSandboxes: optional(Count),
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "owner_limits",
    service: "OwnerLimitsRepo",
    purpose:
      "The share of an owner in the build queue, and the quotas of an owner, as far as they differ from the defaults."
  })
) {}

/** The row of `owner_limit_defaults`. */
export class OwnerLimitDefaults extends Model.Class<OwnerLimitDefaults>("OwnerLimitDefaults")(
  {
    id: Count,
    weight: optional(Count),
    maxRunningBuilds: optional(Count),
    maxQueuedBuilds: optional(Count),
    maxLiveSandboxes: optional(Count),
    updatedAt: Timestamp
  },
  table({
    name: "owner_limit_defaults",
    service: "OwnerLimitsRepo",
    purpose: "One row: the share and the quotas of owners without their own."
  })
) {}

const Weight = Schema.Int.pipe(Schema.between(1, 1000))
const Maximum = Schema.Int.pipe(Schema.between(0, 1_000_000_000))

const limits = {
  /** The share of the queue in relation to other owners, 1 to 1,000. The default of the default is 1. */
  weight: Schema.optional(Weight),
  /** The most running builds. Default: no limit. */
  maxRunningBuilds: Schema.optional(Maximum),
  /** The most queued builds, retries included. Default: no limit. */
  maxQueuedBuilds: Schema.optional(Maximum),
  /** The most sandboxes that are queued, running or ready. Default: no limit. */
  maxLiveSandboxes: Schema.optional(Maximum)
}

/** Request to replace the limits of an owner. Omitted limits are the defaults. */
export const SetOwnerLimits = Schema.Struct({ ownerUserId: existing(UserId), ...limits })

/** Request to replace the default limits. */
export const SetDefaultLimits = Schema.Struct(limits)

/** The limits that apply to an owner. */
export const EffectiveLimits = Schema.Struct({
  weight: Count,
  maxRunningBuilds: Schema.optionalWith(Count, { as: "Option" }),
  maxQueuedBuilds: Schema.optionalWith(Count, { as: "Option" }),
  maxLiveSandboxes: Schema.optionalWith(Count, { as: "Option" })
})
export interface EffectiveLimits extends Schema.Schema.Type<typeof EffectiveLimits> {}
