/**
 * `sealant-db sandboxes`: reads sandboxes of all owners.
 *
 * `list` prints the code of an error; only `show` prints its message, for one sandbox. The specification of a sandbox
 * and the documents of its jobs may contain secrets, so these commands never read them.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { WorkspaceBuildJobRepo } from "../build-job/WorkspaceBuildJobRepo.js"
import { ControlPlaneEvent } from "../events/ControlPlaneEvent.js"
import { Sandbox, SandboxId } from "../sandbox/Sandbox.js"
import { SandboxLifecycle } from "../sandbox/SandboxLifecycle.js"
import { SandboxRepo } from "../sandbox/SandboxRepo.js"
import { SandboxAttemptView, SandboxProblem, SandboxStatusView, SandboxView } from "../sandbox/SandboxViews.js"
import { existing } from "../sql/columns.js"
import { Page } from "../sql/pageSchemas.js"
import { layerCurrent } from "./database.js"
import { subjectCells } from "./events.js"
import { columns, json, orNone, printJson, printLines } from "./output.js"
import { age, allOf, idOf, pageOptions, printPage, requestOf, timeText } from "./rows.js"

const layer = SandboxLifecycle.layer.pipe(
  Layer.provideMerge(Layer.merge(SandboxRepo.layer, WorkspaceBuildJobRepo.layer)),
  Layer.provideMerge(layerCurrent)
)

const status = Options.choice("status", SandboxStatusView.literals).pipe(
  Options.withDescription("Only sandboxes in this state, as their owner sees it."),
  Options.optional
)

const withoutMessages = Schema.Struct({
  ...SandboxView.fields,
  error: Schema.optionalWith(SandboxProblem.pick("code"), { as: "Option" })
})

const encodePage = Schema.encodeSync(Page(withoutMessages))
const encodeSandbox = Schema.encodeSync(Sandbox.json)
const encodeAttempt = Schema.encodeSync(SandboxAttemptView)
const encodeEvent = Schema.encodeSync(ControlPlaneEvent.json)

const codeOf = (error: Option.Option<SandboxProblem>) => Option.flatMap(error, ({ code }) => code)

const list = Command.make("list", { status, ...pageOptions("sandboxes"), json }, ({ json, ...options }) =>
  Effect.flatMap(SandboxLifecycle, ({ listAll }) =>
    Effect.flatMap(listAll(requestOf(options)), (page) =>
      printPage("sandboxes", page, {
        json,
        encode: encodePage,
        header: ["ID", "STATUS", "AGE", "OWNER", "ERROR", "NAME"],
        cells: ({ error, sandbox, status }, now) => [
          sandbox.id,
          status,
          age(now, sandbox.createdAt),
          sandbox.ownerUserId,
          orNone(codeOf(error)),
          sandbox.name
        ]
      })
    )
  )
).pipe(Command.withDescription("Lists the newest sandboxes of all owners, newest first."))

const problemText = (error: Option.Option<SandboxProblem>) =>
  orNone(Option.map(error, ({ code, message }) => [code, message].flatMap(Option.toArray).join(": ")))

/** The reason of the end of an attempt that has no error: that of its runtime, or of its cancellation. */
const stopReasonOf = ({ attempt, runtime }: SandboxAttemptView): Option.Option<string> =>
  Option.orElse(
    Option.flatMap(runtime, ({ stopReason }) => stopReason),
    () => attempt.cancelReason
  )

const runtimeText = ({ runtime }: SandboxAttemptView) =>
  orNone(Option.map(runtime, ({ adapter, status }) => [status, ...Option.toArray(adapter)].join(" ")))

const fieldsOf = (sandbox: Sandbox, status: string, newest: SandboxAttemptView | undefined) => [
  ["id", sandbox.id],
  ["name", sandbox.name],
  ["owner", sandbox.ownerUserId],
  ["repository", orNone(sandbox.repositoryId)],
  ["status", status],
  ["error", problemText(newest?.error ?? Option.none())],
  ["stop reason", newest === undefined ? "-" : orNone(stopReasonOf(newest))],
  ["runtime", newest === undefined ? "-" : runtimeText(newest)],
  ["endpoint", orNone(Option.flatMap(newest?.runtime ?? Option.none(), ({ endpoint }) => endpoint))],
  ["image", orNone(newest?.image ?? Option.none())],
  ["deadline", timeText(sandbox.expiresAt)],
  ["idle timeout", orNone(Option.map(sandbox.idleTimeoutMs, (millis) => `${millis} ms`))],
  ["last active", timeText(sandbox.lastActiveAt)],
  ["created", DateTime.formatIso(sandbox.createdAt)],
  ["archived", timeText(sandbox.archivedAt)]
]

const attemptCells = (view: SandboxAttemptView) => [
  view.attempt.id,
  view.relation,
  view.status,
  DateTime.formatIso(view.attempt.queuedAt),
  timeText(view.attempt.finishedAt),
  runtimeText(view),
  orNone(stopReasonOf(view)),
  problemText(view.error)
]

const show = Command.make("show", { id: idOf(existing(SandboxId)), json }, ({ id, json }) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const sandbox = yield* Effect.flatMap(SandboxRepo, (sandboxes) => sandboxes.getById(id))
    const { ownerUserId } = sandbox
    const attempts = yield* allOf((page) => lifecycle.listAttempts({ id, ownerUserId, ...page }))
    const timeline = (yield* allOf((page) => lifecycle.timeline({ id, ownerUserId, ...page }))).toReversed()
    const [newest] = attempts
    const status = newest?.status ?? sandbox.status
    if (json)
      return yield* printJson({
        sandbox: encodeSandbox(sandbox),
        status,
        attempts: attempts.map((attempt) => encodeAttempt(attempt)),
        timeline: timeline.map((event) => encodeEvent(event))
      })
    yield* printLines(columns(fieldsOf(sandbox, status, newest)))
    const header = ["ATTEMPT", "RELATION", "STATUS", "QUEUED", "FINISHED", "RUNTIME", "STOP REASON", "ERROR"]
    if (attempts.length > 0) yield* printLines(["", ...columns([header, ...attempts.map(attemptCells)])])
    if (timeline.length > 0) yield* printLines(["", "timeline", ...columns(timeline.map(subjectCells))])
  })
).pipe(
  Command.withDescription(
    "Shows why a sandbox is in its state: its attempts with their errors and stop reasons, newest first, its runtime, its " +
      "deadline, and the events of the sandbox, its attempts, jobs and executions, oldest first."
  )
)

export const sandboxes = Command.make("sandboxes").pipe(
  Command.withDescription("Reads sandboxes of all owners, with their attempts, errors and timeline."),
  Command.withSubcommands([list, show]),
  Command.provide(layer)
)
