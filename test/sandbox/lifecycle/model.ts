/**
 * The state machine of a sandbox as a whole, in plain words of its own: what each command makes of each state. The suites
 * hold the lifecycle against it, state by state and in random sequences.
 */
import type { LeaseLostReason } from "../../../src/Errors.js"

export const commands = [
  "claim",
  "begin",
  "finish",
  "finishPending",
  "finishRunning",
  "failRetryable",
  "failFinal",
  "release",
  "leasePending",
  "leaseRunning",
  "runPending",
  "runRunning",
  "runOther",
  "runtimeFails",
  "cancel",
  "stop",
  "retry",
  "rebuild",
  "cancelJob",
  "supervise",
  "expire",
  "overdue"
] as const
export type Command = (typeof commands)[number]

export interface Model {
  readonly sandbox: "queued" | "running" | "ready" | "failed" | "stopped"
  readonly attempt: "queued" | "running" | "succeeded" | "failed" | "cancelled"
  readonly stop: boolean
  readonly job: "queued" | "running" | "succeeded" | "failed" | "cancelled"
  readonly settled: boolean
  /** How the last lease ended, `held` while it is the current one, `none` before the first. */
  readonly lease: "none" | "held" | "succeeded" | "failed" | "retried" | "released" | "expired" | "cancelled"
  /** The lease has expired, and no other worker has claimed the job. */
  readonly expired: boolean
  /** How many leases may still be given. */
  readonly attemptsLeft: number
  readonly runtime: "none" | "pending" | "running" | "failed" | "stopped"
  /** Whether a resource is known of the runtime: always the same one, as workers launch it here. */
  readonly resource: boolean
  /** The image was built longer ago than a runtime may take. */
  readonly overdue: boolean
  /** The pending runtime was reported longer ago than it may take. */
  readonly stale: boolean
}

export interface Step {
  readonly model: Model
  /** `ok`, or the tag of the error, with the reason of a lost lease. */
  readonly outcome: string
}

export const launched: Model = {
  sandbox: "queued",
  attempt: "queued",
  stop: false,
  job: "queued",
  settled: false,
  lease: "none",
  expired: false,
  attemptsLeft: 3,
  runtime: "none",
  resource: false,
  overdue: false,
  stale: false
}

const ok = (model: Model): Step => ({ model, outcome: "ok" })
const refused = (model: Model): Step => ({ model, outcome: "InvalidTransition" })

const isActive = ({ attempt, stop }: Model) => (attempt === "queued" || attempt === "running") && !stop

const losses: Readonly<Record<Exclude<Model["lease"], "held">, LeaseLostReason>> = {
  none: "superseded",
  succeeded: "finished",
  failed: "finished",
  retried: "finished",
  released: "released",
  expired: "expired",
  cancelled: "cancelled"
}

/** A command under the lease: its effect while the lease is held, the effect of a repeat, or the reason of LeaseLost. */
const underLease = (
  model: Model,
  does: (model: Model) => Model,
  repeats: ReadonlyArray<Model["lease"]>,
  again = (same: Model) => same
): Step =>
  model.lease === "held"
    ? ok(does(model))
    : repeats.includes(model.lease)
      ? ok(again(model))
      : { model, outcome: `LeaseLost ${losses[model.lease]}` }

const start = (model: Model): Model => ({
  ...model,
  attempt: "running",
  sandbox: model.sandbox === "queued" ? "running" : model.sandbox
})

const settle = (model: Model): Model => {
  if (!isActive(model)) return model
  const running = start(model)
  return running.job === "succeeded" && running.runtime === "running"
    ? { ...running, attempt: "succeeded", sandbox: "ready", settled: true }
    : running
}

const report =
  (status: "pending" | "running") =>
  (model: Model): Model =>
    settle({ ...model, runtime: model.runtime === "running" ? "running" : status, resource: true, stale: false })

const finish =
  (runtime?: "pending" | "running") =>
  (model: Model): Step => {
    const sendReport = (built: Model) =>
      !isActive(built) ? built : runtime === undefined ? settle(built) : report(runtime)(built)
    const build = (held: Model): Model => ({
      ...held,
      job: "succeeded",
      lease: "succeeded",
      expired: false,
      settled: false,
      overdue: false
    })
    return underLease(model, (held) => sendReport(build(held)), ["succeeded"], sendReport)
  }

const end = (model: Model, how: "failed" | "cancelled"): Model => {
  const settled = { ...model, settled: true }
  return !isActive(model)
    ? settled
    : {
        ...settled,
        attempt: how,
        sandbox: how === "cancelled" ? "stopped" : "failed",
        runtime: model.runtime === "pending" || model.runtime === "running" ? "stopped" : model.runtime
      }
}

const fail =
  (retryable: boolean) =>
  (model: Model): Step =>
    underLease(
      model,
      (held) =>
        retryable && held.attemptsLeft > 0
          ? { ...held, job: "queued", lease: "retried", expired: false }
          : end({ ...held, job: "failed", lease: "failed", expired: false }, "failed"),
      ["retried", "failed"]
    )

const cancelJob = (model: Model): Model =>
  model.job === "queued" || model.job === "running"
    ? {
        ...model,
        job: "cancelled",
        lease: model.lease === "held" ? "cancelled" : model.lease,
        expired: false,
        settled: false
      }
    : model

const halt = (model: Model): Model => ({
  ...cancelJob(model),
  sandbox: "stopped",
  stop: true,
  attempt: isActive(model) ? "cancelled" : model.attempt,
  settled: true,
  runtime: model.runtime === "none" ? "none" : "stopped"
})

const reap = (model: Model): Model =>
  !model.expired
    ? model
    : { ...model, expired: false, lease: "expired", job: model.attemptsLeft > 0 ? "queued" : "failed" }

/** A relaunch that did not come up after the attempt had ended. */
const giveUp = (model: Model): Model =>
  model.attempt === "succeeded" && model.runtime === "pending" && model.stale ? { ...model, runtime: "failed" } : model

const supervise = (model: Model): Model => {
  const reaped = giveUp(reap(model))
  if (reaped.settled) return reaped
  if (reaped.job === "failed" || reaped.job === "cancelled") return end(reaped, reaped.job)
  return reaped.job === "succeeded" && reaped.overdue
    ? end({ ...reaped, runtime: reaped.runtime === "stopped" ? "stopped" : "failed" }, "failed")
    : reaped
}

const give = (model: Model): Model => ({
  ...model,
  job: "running",
  lease: "held",
  expired: false,
  attemptsLeft: model.attemptsLeft - 1
})

const claim = (model: Model): Model =>
  model.job === "queued" ? give(model) : !model.expired ? model : model.attemptsLeft > 0 ? give(model) : reap(model)

const again = (model: Model): Step =>
  model.sandbox === "stopped" || model.sandbox === "failed" ? ok(launched) : refused(model)

const reportForRun =
  (status: "pending" | "running") =>
  (model: Model): Step =>
    model.attempt === "failed" || model.attempt === "cancelled" || model.stop
      ? refused(model)
      : ok(report(status)(model))

/** What each command makes of a state. */
export const next: Readonly<Record<Command, (model: Model) => Step>> = {
  claim: (model) => ok(claim(model)),
  begin: (model) => underLease(model, start, []),
  finish: finish(),
  finishPending: finish("pending"),
  finishRunning: finish("running"),
  failRetryable: fail(true),
  failFinal: fail(false),
  release: (model) =>
    underLease(
      model,
      (held) => ({ ...held, job: "queued", lease: "released", expired: false, attemptsLeft: held.attemptsLeft + 1 }),
      ["released"]
    ),
  leasePending: (model) => underLease(model, report("pending"), []),
  leaseRunning: (model) => underLease(model, report("running"), []),
  runPending: reportForRun("pending"),
  runRunning: reportForRun("running"),
  // A late report of another resource. Where none is known the driver does not make it: it would be the first one.
  runOther: (model) => (model.resource ? refused(model) : ok(model)),
  runtimeFails: (model) => ok({ ...model, runtime: model.runtime === "stopped" ? "stopped" : "failed" }),
  cancel: (model) =>
    model.sandbox === "stopped"
      ? ok(model)
      : model.sandbox === "ready" || model.sandbox === "failed"
        ? refused(model)
        : ok(halt(model)),
  stop: (model) =>
    model.sandbox === "stopped" ? ok(model) : model.sandbox === "failed" ? refused(model) : ok(halt(model)),
  retry: again,
  rebuild: again,
  cancelJob: (model) => (model.job === "succeeded" || model.job === "failed" ? refused(model) : ok(cancelJob(model))),
  supervise: (model) => ok(supervise(model)),
  expire: (model) => ok({ ...model, expired: model.lease === "held" }),
  overdue: (model) =>
    ok({
      ...model,
      expired: model.lease === "held",
      overdue: model.job === "succeeded",
      stale: model.runtime === "pending"
    })
}

/** The status that the owner of the sandbox sees. */
export const derived = ({ attempt, job, runtime, stop }: Pick<Model, "attempt" | "job" | "runtime" | "stop">) => {
  if (attempt === "cancelled" || stop || job === "cancelled") return "cancelled"
  if (attempt === "failed" || job === "failed" || runtime === "failed") return "failed"
  if (attempt === "succeeded" && job === "succeeded" && runtime === "running") return "ready"
  return attempt === "running" || job === "running" ? "running" : "queued"
}

/** Every state that can be reached, with a shortest way to it. */
export const reachable = (): ReadonlyArray<{ readonly model: Model; readonly way: ReadonlyArray<Command> }> => {
  // What has ended does not care how many attempts it has left. Whether a resource is known matters to one command only.
  const keyOf = (model: Model) =>
    JSON.stringify({
      ...model,
      resource: false,
      stale: model.stale && model.runtime === "pending" && model.attempt === "succeeded",
      attemptsLeft: model.job === "queued" || model.job === "running" ? model.attemptsLeft : 0
    })
  const found = new Map([[keyOf(launched), { model: launched, way: [] as ReadonlyArray<Command> }]])
  // A Map walks what is added while it is walked.
  for (const { model, way } of found.values()) {
    for (const command of commands) {
      const after = next[command](model).model
      const key = keyOf(after)
      if (!found.has(key)) found.set(key, { model: after, way: [...way, command] })
    }
  }
  return [...found.values()]
}
