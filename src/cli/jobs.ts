/**
 * `sealant-db jobs`: reads and changes the build queue.
 *
 * The request and the result of a job may contain secrets, so these commands never read them. `list` prints the code of
 * an error; only `show` prints its message, for one job.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import { WorkspaceBuildJobId, WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../events/ControlPlaneEvents.js"
import { JobDetail, JobSummary, listJobs, showJob } from "../operations/jobs.js"
import { existing } from "../sql/columns.js"
import { layerCurrent } from "./database.js"
import { eventCells, eventsOf } from "./events.js"
import { columns, json, orNone, printJson, printLines } from "./output.js"
import { age, changeEach, idOf, limitOf } from "./rows.js"

const layer = Layer.provideMerge(Layer.merge(WorkspaceBuildJobRepo.layer, ControlPlaneEvents.layer), layerCurrent)

const id = idOf(existing(WorkspaceBuildJobId))

const ids = id.pipe(Args.withDescription("Ids of one or more jobs."), Args.atLeast(1))

const status = Options.choice("status", WorkspaceBuildJobStatus.literals).pipe(
  Options.withDescription("Only jobs in this state."),
  Options.optional
)

const encodeSummary = Schema.encodeSync(JobSummary.json)
const encodeDetail = Schema.encodeSync(JobDetail.json)

const encodeEvent = Schema.encodeSync(ControlPlaneEvent.json)

const list = Command.make("list", { status, limit: limitOf("jobs"), json }, ({ json, limit, status }) =>
  Effect.gen(function* () {
    const jobs = yield* listJobs(limit, status)
    if (json) return yield* printJson(jobs.map((job) => encodeSummary(job)))
    if (jobs.length === 0) return yield* Console.log("no jobs")
    const now = yield* Clock.currentTimeMillis
    yield* printLines(
      columns([
        ["ID", "STATUS", "AGE", "TRIES", "WORKER", "ERROR", "IMAGE"],
        ...jobs.map((job) => [
          job.id,
          job.status,
          age(now, job.createdAt),
          `${job.attemptCount}/${job.maxAttempts}`,
          orNone(job.workerId),
          orNone(job.errorCode),
          `${job.registryId}/${job.repository}:${job.tag}`
        ])
      ])
    )
  })
).pipe(Command.withDescription("Lists the newest jobs, newest first."))

const show = Command.make("show", { id, json }, ({ id, json }) =>
  Effect.gen(function* () {
    const job = encodeDetail(yield* showJob(id))
    const history = yield* eventsOf("job", id)
    if (json) return yield* printJson({ ...job, history: history.map((event) => encodeEvent(event)) })
    yield* printLines(columns(Object.entries(job).map(([field, value]) => [field, String(value)])))
    if (history.length > 0) yield* printLines(["", "history", ...columns(history.map(eventCells))])
  })
).pipe(
  Command.withDescription(
    "Shows one job and its history: each try with its worker and the code of its error. Without its request and result, which " +
      "may contain secrets."
  )
)

const redrive = Command.make("redrive", { ids, json }, (input) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => changeEach("queued", input, (id) => jobs.redrive(id)))
).pipe(
  Command.withDescription(
    "Queues failed or cancelled jobs again and resets their attempts. Fails for a job whose sandbox attempt has ended: retry " +
      "the sandbox instead."
  )
)

const message = Options.text("message").pipe(
  Options.withDescription("Error message that is stored with the job and shown to its owner."),
  Options.withDefault("failed by an operator")
)

const fail = Command.make("fail", { ids, message, json }, ({ message, ...input }) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) =>
    changeEach("failed", input, (id) => jobs.failQueued({ id, errorMessage: message, errorCode: "operator" }))
  )
).pipe(
  Command.withDescription("Fails queued jobs without a worker. Supervision ends the sandbox attempt of a job, too.")
)

const reason = Options.text("reason").pipe(
  Options.withDescription("Reason that is stored with the job."),
  Options.withDefault("cancelled by an operator")
)

const cancel = Command.make("cancel", { ids, reason, json }, ({ reason, ...input }) =>
  Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => changeEach("cancelled", input, (id) => jobs.cancel({ id, reason })))
).pipe(
  Command.withDescription(
    "Cancels queued or running jobs. The worker of a running job stops at its next heartbeat. The sandbox attempt of a job ends, too."
  )
)

export const jobs = Command.make("jobs").pipe(
  Command.withDescription("Reads and changes the build queue."),
  Command.withSubcommands([list, show, redrive, fail, cancel]),
  Command.provide(layer)
)
