/**
 * `sealant-db events`: reads the journal of state changes.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Chunk, Console, DateTime, Effect, Layer, Option, Schema, Stream } from "effect"
import { ControlPlaneEvent, ControlPlaneSubjectType } from "../events/ControlPlaneEvent.js"
import { ControlPlaneEvents } from "../events/ControlPlaneEvents.js"
import { layerCurrent } from "./database.js"
import { columns, json, printable, printJson, printLines } from "./output.js"
import { limitOf } from "./rows.js"

const layer = Layer.provideMerge(ControlPlaneEvents.layer, layerCurrent)

const encode = Schema.encodeSync(ControlPlaneEvent.json)

/** The cells of an event: time, operation, change of state, actor and details. */
export const eventCells = (event: ControlPlaneEvent): ReadonlyArray<string> => [
  DateTime.formatIso(event.occurredAt),
  event.eventType,
  Option.match(event.fromState, {
    onNone: () => Option.getOrElse(event.toState, () => "-"),
    onSome: (from) => `${from} -> ${Option.getOrElse(event.toState, () => "-")}`
  }),
  Option.match(event.actorId, { onNone: () => event.actorType, onSome: (id) => `${event.actorType} ${id}` }),
  Option.match(event.payload, { onNone: () => "", onSome: (payload) => JSON.stringify(payload) })
]

/** The cells of an event of several subjects: as `eventCells`, with the subject after the time. */
export const subjectCells = (event: ControlPlaneEvent): ReadonlyArray<string> => {
  const [time = "", ...rest] = eventCells(event)
  return [time, `${event.subjectType} ${event.subjectId}`, ...rest]
}

const historyPage = 500

/** All events of one subject, in their order. */
export const eventsOf = (subjectType: ControlPlaneSubjectType, subjectId: string) =>
  Effect.flatMap(ControlPlaneEvents, (journal) =>
    Stream.paginateChunkEffect(0, (afterSequence) =>
      Effect.map(
        // An id that is too long for the journal has no events.
        Effect.catchTag(
          journal.list({ subjectType, subjectId, afterSequence, limit: historyPage }),
          "InvalidInput",
          () => Effect.succeed([])
        ),
        (events) => [
          Chunk.fromIterable(events),
          events.length < historyPage ? Option.none() : Option.fromNullable(events.at(-1)?.sequence)
        ]
      )
    ).pipe(Stream.runCollect, Effect.map(Chunk.toReadonlyArray))
  )

const cellsOf = (event: ControlPlaneEvent) => [
  String(event.position),
  `${event.subjectType} ${event.subjectId}`,
  ...eventCells(event)
]

const header = ["POSITION", "SUBJECT", "TIME", "OPERATION", "STATE", "ACTOR", "DETAILS"]

const after = Options.integer("after").pipe(
  Options.mapEffect((position) =>
    position >= 0
      ? Effect.succeed(position)
      : Effect.fail(ValidationError.invalidValue(HelpDoc.p("--after must be a position, 0 or more")))
  ),
  Options.withDescription("Only events of the whole journal after this position."),
  Options.optional
)

const subject = Args.all([
  Args.choice(
    ControlPlaneSubjectType.literals.map((type) => [type, type] as const),
    { name: "type" }
  ),
  Args.text({ name: "id" })
]).pipe(Args.withDescription("Type and id of one subject: only its events."), Args.optional)

const found = (
  limit: number,
  after: Option.Option<number>,
  subject: Option.Option<readonly [ControlPlaneSubjectType, string]>
) =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    if (Option.isSome(subject)) {
      const [subjectType, subjectId] = subject.value
      return yield* journal.list({ subjectType, subjectId, limit })
    }
    const { end } = yield* journal.journal
    return yield* journal.read({ afterPosition: Option.getOrElse(after, () => Math.max(0, end - limit)), limit })
  })

const list = Command.make(
  "list",
  { subject, after, limit: limitOf("events"), json },
  ({ after, json, limit, subject }) =>
    Effect.gen(function* () {
      const events = yield* found(limit, after, subject)
      if (json) return yield* printJson(events.map((event) => encode(event)))
      if (events.length === 0) return yield* Console.log("no events")
      yield* printLines(columns([header, ...events.map(cellsOf)]))
    })
).pipe(
  Command.withDescription(
    "Lists the newest events of the journal, or those of one subject (`events list sandbox ID`), oldest first."
  )
)

const tail = Command.make("tail", { after, json }, ({ after, json }) =>
  Effect.gen(function* () {
    const journal = yield* ControlPlaneEvents
    const { end } = yield* journal.journal
    const events = journal.tail({ afterPosition: Option.getOrElse(after, () => end) })
    yield* Stream.runForEach(events, (event) =>
      Console.log(json ? JSON.stringify(encode(event)) : cellsOf(event).map(printable).join("  "))
    )
  })
).pipe(
  Command.withDescription(
    "Prints each new event until it is interrupted: one line for each, with --json one JSON document in each line."
  )
)

export const events = Command.make("events").pipe(
  Command.withDescription("Reads the journal of state changes of sandboxes, attempts, jobs, workflows and executions."),
  Command.withSubcommands([list, tail]),
  Command.provide(layer)
)
