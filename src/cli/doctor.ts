/**
 * `sealant-db doctor`: checks the database and prints a remedy for each problem.
 */
import * as Command from "@effect/cli/Command"
import { Data, Effect, Option } from "effect"
import { layerExisting } from "./database.js"
import * as Maintenance from "../Maintenance.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

class ProblemsFound extends Data.TaggedError("ProblemsFound")<{ readonly count: number }> {
  override get message() {
    return `${counted(this.count, "problem")} found`
  }
}

const findings = Maintenance.doctor.pipe(
  Effect.provide(layerExisting),
  Effect.catchTag(
    "DatabaseConfigError",
    (error): Effect.Effect<ReadonlyArray<Maintenance.Finding>> =>
      Effect.succeed([{ check: "open", outcome: "problem", text: error.message }])
  )
)

export const doctor = Command.make("doctor", { json }, ({ json }) =>
  Effect.gen(function* () {
    const found = yield* withProgress(json, (report) =>
      Effect.zipRight(report("checking each page", Option.none()), findings)
    )
    const count = found.filter(({ outcome }) => outcome === "problem").length
    yield* json
      ? printJson({ ok: count === 0, findings: found })
      : printLines(columns(found.map(({ check, outcome, text }) => [outcome, check, text])))
    if (count > 0) yield* new ProblemsFound({ count })
  })
).pipe(
  Command.withDescription(
    "Checks the schema, each page, the files, and work that has waited too long; prints a line for each finding, with a remedy " +
      "for each problem. Changes nothing, except that it leaves a file in WAL mode, as every program does that opens it. " +
      "Exits with 1 when it finds a problem."
  )
)
