/**
 * The state machine of a sandbox as a whole, in plain words of its own: what each command makes of each state. The suites
 * hold the lifecycle against it, state by state and in random sequences.
 */
import type { LeaseLostReason } from "../../../src/Errors.js"

export const commands = [
  "claim",
  "begin",
  "publish",
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
  "endStopped",
  "endFailed",
  "endOther",
  "leaseEndFailed",
  "tearDown",
  "tearDownFails",
  "tearDownEnds",
  "cancel",
  "stop",
  "retry",
  "rebuild",
  "cancelJob",
  "extend",
  "touch",
  "supervise",
  "passDeadline",
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
  /** The image is published. */
  readonly published: boolean
  /** How the last lease ended, `held` while it is the current one, `none` before the first. */
  readonly lease: "none" | "held" | "succeeded" | "failed" | "retried" | "released" | "expired" | "cancelled"
  /** The lease has expired, and no other worker has claimed the job. */
  readonly expired: boolean
  /** How many leases may still be given. */
  readonly attemptsLeft: number
  readonly runtime: "none" | "pending" | "running" | "failed" | "stopped"
  /** The runtime has failed with the reason `launch-failed`. */
  readonly launchFailed: boolean
  /** Whether a resource is known of the runtime: always the same one, as workers launch it here. */
  readonly resource: boolean
  /** The image was built longer ago than a runtime may take. */
  readonly overdue: boolean
  /** The teardown of the runtime. */
  readonly teardown: "none" | "queued" | "succeeded" | "failed"
  /** The sandbox does not wait for the teardown any more. */
  readonly torn: boolean
  /** The teardown was requested longer ago than it may take. */
  readonly late: boolean
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
  published: false,
  lease: "none",
  expired: false,
  attemptsLeft: 3,
  runtime: "none",
  launchFailed: false,
  resource: false,
  overdue: false,
  teardown: "none",
  torn: false,
  late: false
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

const isUp = ({ runtime }: Model) => runtime === "pending" || runtime === "running"

const hasEnded = ({ runtime }: Model) => runtime === "failed" || runtime === "stopped"

/** A late report of a resource that has ended changes nothing of it. */
const report =
  (status: "pending" | "running") =>
  (model: Model): Model =>
    settle(
      hasEnded(model) && model.resource
        ? model
        : { ...model, runtime: model.runtime === "running" ? "running" : status, resource: true }
    )

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
      published: true,
      overdue: false
    })
    const isTooLate = runtime !== undefined && (model.attempt === "failed" || model.attempt === "cancelled")
    if (model.lease === "succeeded" && isTooLate && !hasEnded(model) && !model.resource)
      return { model, outcome: "LeaseLost finished" }
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
        ...(isUp(model) ? { stop: true, teardown: "queued" as const } : {})
      }
}

/** The runtime of a teardown is gone, or the sandbox does not wait for it any more. */
const tornDown = (model: Model): Model => ({
  ...model,
  torn: true,
  late: false,
  runtime: isUp(model) ? "stopped" : model.runtime
})

/** Ends what depends on an ended runtime. */
const endWithRuntime = (model: Model): Model => {
  if (!hasEnded(model)) return model
  const isStopped = model.runtime === "stopped"
  if (!isActive(model))
    return model.sandbox === "ready" ? { ...model, sandbox: isStopped ? "stopped" : "failed" } : model
  const keepsImage = model.job === "running" && model.published
  return {
    ...(keepsImage
      ? { ...model, job: "succeeded", lease: "succeeded", expired: false, overdue: false }
      : cancelJob(model)),
    settled: true,
    attempt: isStopped ? "cancelled" : "failed",
    sandbox: isStopped ? "stopped" : "failed"
  }
}

/** The first end of a runtime stands. */
const endRuntime =
  (status: "stopped" | "failed", launchFailed = false) =>
  (model: Model): Model => {
    // After a stop, the runtime has stopped, whatever its adapter reports of the end.
    const end = model.stop && model.attempt !== "failed" ? "stopped" : status
    const ended = endWithRuntime(
      hasEnded(model) ? model : { ...model, runtime: end, launchFailed: launchFailed || model.launchFailed }
    )
    return model.teardown === "queued" ? { ...tornDown(ended), teardown: "succeeded" } : ended
  }

const fail =
  (retryable: boolean) =>
  (model: Model): Step =>
    underLease(
      model,
      (held) =>
        retryable && held.attemptsLeft > 0
          ? { ...held, job: "queued", lease: "retried", expired: false }
          : held.published
            ? endRuntime("failed", true)(held)
            : end({ ...held, job: "failed", lease: "failed", expired: false }, "failed"),
      model.launchFailed ? ["retried", "failed", "succeeded"] : ["retried", "failed"]
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
  ...(isUp(model) ? { teardown: "queued" as const } : { runtime: model.runtime === "none" ? "none" : "stopped" })
})

const reap = (model: Model): Model =>
  !model.expired
    ? model
    : {
        ...model,
        expired: false,
        lease: "expired",
        job: model.attemptsLeft > 0 ? "queued" : model.published ? "succeeded" : "failed",
        overdue: false
      }

const endOfJob = (model: Model): Model => {
  if (model.settled) return model
  if (model.job === "failed" || model.job === "cancelled") return end(model, model.job)
  if (model.job !== "succeeded") return model
  const continued = isActive(model) && (model.overdue || model.runtime === "running") ? settle(model) : model
  if (!isActive(continued) || !continued.overdue) return continued
  const missing = hasEnded(model)
    ? model
    : {
        ...model,
        runtime: "failed" as const,
        launchFailed: true,
        ...(isUp(model) ? { teardown: "queued" as const } : {})
      }
  return end(missing, "failed")
}

const hasEndedSandbox = ({ sandbox }: Model) => sandbox === "stopped" || sandbox === "failed"

const giveUpLate = (model: Model): Model => (model.late ? tornDown(model) : model)

const supervise = (model: Model): Model => endWithRuntime(giveUpLate(endOfJob(reap(model))))

/** Supervision after the deadline of the sandbox. */
const passDeadline = (model: Model): Step =>
  hasEndedSandbox(model) ? refused(model) : ok(endWithRuntime(endOfJob(halt(reap(model)))))

const give = (model: Model): Model => ({
  ...model,
  job: "running",
  lease: "held",
  expired: false,
  attemptsLeft: model.attemptsLeft - 1
})

const claim = (model: Model): Model =>
  model.job === "queued" ? give(model) : !model.expired ? model : model.attemptsLeft > 0 ? give(model) : reap(model)

const again = (model: Model): Step => (hasEndedSandbox(model) ? ok(launched) : refused(model))

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
  publish: (model) => underLease(model, (held) => start({ ...held, published: true }), []),
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
  // By hand: supervision ends the sandbox later.
  runtimeFails: (model) => ok({ ...model, runtime: model.runtime === "stopped" ? "stopped" : "failed" }),
  endStopped: (model) => ok(endRuntime("stopped")(model)),
  endFailed: (model) => ok(endRuntime("failed")(model)),
  // The end of another resource. Where none is known the driver does not report it: it would be the current one.
  endOther: (model) => ok(model),
  leaseEndFailed: (model) =>
    underLease(model, endRuntime("failed"), ["succeeded", "failed", "cancelled"], endRuntime("failed")),
  tearDown: (model) => ok(model.teardown === "queued" ? { ...tornDown(model), teardown: "succeeded" } : model),
  tearDownFails: ok,
  tearDownEnds: (model) => ok(model.teardown === "queued" ? { ...tornDown(model), teardown: "failed" } : model),
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
  extend: (model) => (hasEndedSandbox(model) ? refused(model) : ok(model)),
  touch: ok,
  supervise: (model) => ok(supervise(model)),
  passDeadline,
  expire: (model) => ok({ ...model, expired: model.lease === "held" }),
  overdue: (model) =>
    ok({
      ...model,
      expired: model.lease === "held",
      overdue: model.job === "succeeded",
      late: model.teardown === "queued" && !model.torn
    })
}

/** The status that the owner of the sandbox sees. */
export const derived = ({ attempt, job, runtime, stop }: Pick<Model, "attempt" | "job" | "runtime" | "stop">) => {
  if (attempt === "failed") return attempt
  if (stop && (runtime === "pending" || runtime === "running")) return "stopping"
  if (attempt === "cancelled") return attempt
  if (stop) return attempt === "succeeded" ? "stopped" : "cancelled"
  if (job === "cancelled") return "cancelled"
  if (job === "failed" || runtime === "failed") return "failed"
  if (runtime === "stopped") return attempt === "succeeded" ? "stopped" : "cancelled"
  if (attempt === "succeeded" && job === "succeeded" && runtime === "running") return "ready"
  return attempt === "running" || job === "running" ? "running" : "queued"
}

/** Every state that can be reached, with a shortest way to it. */
export const reachable = (): ReadonlyArray<{ readonly model: Model; readonly way: ReadonlyArray<Command> }> => {
  // What has ended does not care how many attempts it has left. Whether a resource is known matters to few commands, and
  // how a teardown has ended to none.
  const keyOf = (model: Model) =>
    JSON.stringify({
      ...model,
      resource: false,
      teardown: model.teardown === "failed" ? "succeeded" : model.teardown,
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
