/**
 * `sealant-db queue`: reads the load of the build queue, and changes its limits and pauses.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Clock, Console, Effect, Layer, Option } from "effect"
import { UserId } from "../auth/User.js"
import { type EffectiveLimits } from "../build-job/OwnerLimits.js"
import { OwnerLimitsRepo } from "../build-job/OwnerLimitsRepo.js"
import { BuildQueueRepo } from "../build-job/BuildQueueRepo.js"
import { existing } from "../sql/columns.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printable, printJson, printLines } from "./output.js"
import { age, idOf, limitOf } from "./rows.js"

const layer = Layer.provideMerge(Layer.mergeAll(BuildQueueRepo.layer, OwnerLimitsRepo.layer), layerCurrent)

const orNone = <A>(value: Option.Option<A>) => Option.match(value, { onNone: () => "-", onSome: String })

const stats = Command.make("stats", { limit: limitOf("owners and priorities"), json }, ({ json, limit }) =>
  Effect.gen(function* () {
    const queue = yield* BuildQueueRepo
    const load = yield* queue.load(limit)
    const pauses = yield* queue.listPauses
    const now = yield* Clock.currentTimeMillis
    if (json) {
      return yield* printJson({
        load: load.map(({ blockedBy, oldestDueAt, ownerUserId, ...counts }) => ({
          ownerUserId: Option.getOrNull(ownerUserId),
          ...counts,
          oldestDueMs: Option.getOrNull(Option.map(oldestDueAt, ({ epochMillis }) => Math.max(0, now - epochMillis))),
          blockedBy: Option.getOrNull(blockedBy)
        })),
        pauses: pauses.map(({ reason, scope, subject }) => ({ scope, subject, reason: Option.getOrNull(reason) }))
      })
    }
    if (load.length === 0) yield* Console.log("no queued or running jobs")
    else {
      yield* printLines(
        columns([
          ["OWNER", "PRIORITY", "QUEUED", "RUNNING", "OLDEST", "BLOCKED"],
          ...load.map(({ blockedBy, oldestDueAt, ownerUserId, priority, queued, running }) => [
            orNone(ownerUserId),
            String(priority),
            String(queued),
            String(running),
            Option.match(oldestDueAt, { onNone: () => "-", onSome: (at) => age(now, at) }),
            orNone(blockedBy)
          ])
        ])
      )
    }
    for (const { pausedAt, reason, scope, subject } of pauses)
      yield* Console.log(
        `paused for ${age(now, pausedAt)}: ${printable(`${scope} ${subject}`.trim())} (${printable(orNone(reason))})`
      )
  })
).pipe(
  Command.withDescription("Lists owners and priorities with queued or running jobs, why they wait, and the pauses.")
)

const owner = Options.text("owner").pipe(Options.withDescription("The id of an owner."), Options.optional)
const registry = Options.text("registry").pipe(Options.withDescription("The id of a registry."), Options.optional)
const reason = Options.text("reason").pipe(
  Options.withDescription("The reason, for other operators."),
  Options.optional
)

/** The part that the options name: the owner, the registry, or the whole queue. */
const partOf = (options: { readonly owner: Option.Option<string>; readonly registry: Option.Option<string> }) =>
  Option.match(options.owner, {
    onSome: (id) => ({ scope: "owner", id }) as const,
    onNone: () =>
      Option.match(options.registry, {
        onSome: (id) => ({ scope: "registry", id }) as const,
        onNone: () => ({ scope: "queue" }) as const
      })
  })

const nameOf = (part: ReturnType<typeof partOf>) => (part.scope === "queue" ? "queue" : `${part.scope} ${part.id}`)

const pause = Command.make("pause", { owner, registry, reason, json }, ({ json, owner, reason, registry }) =>
  Effect.gen(function* () {
    const part = partOf({ owner, registry })
    yield* (yield* BuildQueueRepo).pause({ part, reason: Option.getOrUndefined(reason) })
    yield* json ? printJson({ paused: part }) : Console.log(`paused ${printable(nameOf(part))}`)
  })
).pipe(
  Command.withDescription(
    "Pauses the queue, or the part of one owner or registry: no job is claimed there. Running builds continue."
  )
)

const resume = Command.make("resume", { owner, registry, json }, ({ json, owner, registry }) =>
  Effect.gen(function* () {
    const part = partOf({ owner, registry })
    yield* (yield* BuildQueueRepo).resume(part)
    yield* json ? printJson({ resumed: part }) : Console.log(`resumed ${printable(nameOf(part))}`)
  })
).pipe(Command.withDescription("Resumes the queue, or the part of one owner or registry."))

const repair = Command.make("repair", { json }, ({ json }) =>
  Effect.gen(function* () {
    const count = yield* (yield* BuildQueueRepo).repair
    yield* json
      ? printJson({ repairedOwners: count })
      : Console.log(`repaired the counters of ${counted(count, "owner")}`)
  })
).pipe(
  Command.withDescription(
    "Recomputes the counters of owners that differ from their jobs. `doctor` reports their number."
  )
)

const whole = (name: string, description: string) =>
  Options.integer(name).pipe(Options.withDescription(description), Options.optional)

const limitOptions = {
  weight: whole("weight", "The share in relation to other owners, 1 to 1,000."),
  maxRunningBuilds: whole("max-running-builds", "The most running builds."),
  maxQueuedBuilds: whole("max-queued-builds", "The most queued builds."),
  maxLiveSandboxes: whole("max-live-sandboxes", "The most sandboxes that are queued, running or ready.")
}

const linesOf = (limits: EffectiveLimits) =>
  columns([
    ["weight", String(limits.weight)],
    ["max running builds", orNone(limits.maxRunningBuilds)],
    ["max queued builds", orNone(limits.maxQueuedBuilds)],
    ["max live sandboxes", orNone(limits.maxLiveSandboxes)]
  ])

const documentOf = (limits: EffectiveLimits) => ({
  weight: limits.weight,
  maxRunningBuilds: Option.getOrNull(limits.maxRunningBuilds),
  maxQueuedBuilds: Option.getOrNull(limits.maxQueuedBuilds),
  maxLiveSandboxes: Option.getOrNull(limits.maxLiveSandboxes)
})

const ownerArgument = idOf(existing(UserId)).pipe(
  Args.withDescription("The id of an owner. Without it: the defaults."),
  Args.optional
)

const limits = Command.make("limits", { owner: ownerArgument, ...limitOptions, json }, ({ json, owner, ...options }) =>
  Effect.gen(function* () {
    const repo = yield* OwnerLimitsRepo
    const changed = {
      weight: Option.getOrUndefined(options.weight),
      maxRunningBuilds: Option.getOrUndefined(options.maxRunningBuilds),
      maxQueuedBuilds: Option.getOrUndefined(options.maxQueuedBuilds),
      maxLiveSandboxes: Option.getOrUndefined(options.maxLiveSandboxes)
    }
    if (Object.values(options).some(Option.isSome)) {
      yield* Option.match(owner, {
        onNone: () => Effect.asVoid(repo.setDefaults(changed)),
        onSome: (ownerUserId) => Effect.asVoid(repo.set({ ownerUserId, ...changed }))
      })
    }
    const now = yield* Option.match(owner, { onNone: () => repo.getDefaults, onSome: repo.get })
    yield* json ? printJson(documentOf(now)) : printLines(linesOf(now))
  })
).pipe(
  Command.withDescription(
    "Prints the limits of an owner, or the defaults. With options, replaces them first: omitted limits of an owner are the " +
      "defaults, omitted defaults are no limits."
  )
)

export const queue = Command.make("queue").pipe(
  Command.withDescription("Reads the load of the build queue, and changes its limits and pauses."),
  Command.withSubcommands([stats, limits, pause, resume, repair]),
  Command.provide(layer)
)
