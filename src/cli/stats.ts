/**
 * `sealant-db stats`: statistics of the database.
 */
import * as Command from "@effect/cli/Command"
import { Duration, Effect, Option } from "effect"
import * as Maintenance from "../Maintenance.js"
import { layerCurrent } from "./database.js"
import { bytes, columns, json, printJson, printLines, span } from "./output.js"

const depth = ({ byStatus, oldestQueuedAge }: Maintenance.QueueDepth) => ({
  byStatus,
  oldestQueuedMs: Option.getOrNull(Option.map(oldestQueuedAge, Duration.toMillis))
})

const documentOf = ({ fileBytes, inbox, queue, reusableBytes, teardowns, walBytes, ...rest }: Maintenance.Stats) => ({
  ...rest,
  fileBytes: Option.getOrNull(fileBytes),
  walBytes: Option.getOrNull(walBytes),
  reusableBytes: Option.getOrNull(reusableBytes),
  queue: depth(queue),
  teardowns: depth(teardowns),
  inbox: depth(inbox)
})

const queueLine = (name: string, { byStatus, oldestQueuedAge }: Maintenance.QueueDepth): ReadonlyArray<string> => {
  const counts = Object.entries(byStatus)
    .map(([status, count]) => `${status} ${count}`)
    .join(", ")
  return [
    name,
    counts +
      Option.match(oldestQueuedAge, { onNone: () => "", onSome: (age) => `; the oldest is due for ${span(age)}` })
  ]
}

const linesOf = ({
  engineVersion,
  fileBytes,
  inbox,
  migrations,
  queue,
  reusableBytes,
  tables,
  teardowns,
  walBytes
}: Maintenance.Stats) => {
  const sizes = [
    ["file", fileBytes],
    ["log", walBytes],
    ["reusable", reusableBytes]
  ] as const
  return [
    ...columns([
      ["engine", `SQLite ${engineVersion}`],
      ["migrations", String(migrations)],
      ...sizes.flatMap(([name, size]) => (Option.isSome(size) ? [[name, bytes(size.value)]] : [])),
      queueLine("jobs", queue),
      queueLine("teardowns", teardowns),
      queueLine("deliveries", inbox)
    ]),
    ...columns(Object.entries(tables).map(([table, count]) => [table, String(count)]))
  ]
}

export const stats = Command.make("stats", { json }, ({ json }) =>
  Effect.gen(function* () {
    const stats = yield* Maintenance.stats
    yield* json ? printJson(documentOf(stats)) : printLines(linesOf(stats))
  }).pipe(Effect.provide(layerCurrent))
).pipe(
  Command.withDescription(
    "Prints the versions, the file sizes, the queue depths, and the number of rows of each table. Counts every row."
  )
)
