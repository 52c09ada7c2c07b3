import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HarnessId } from "../../src/payloads/enumerations.js"
import { operations } from "../../src/sql/operations.js"

const Status = Schema.Literal("queued", "ready")
const Request = Schema.Struct({
  id: Schema.String,
  status: Schema.optional(Status),
  kind: Schema.optional(Schema.Literal("git")),
  harness: Schema.optional(HarnessId),
  statuses: Schema.optional(Schema.Array(Status)),
  owner: Schema.optional(Schema.NullOr(Schema.Struct({ name: Schema.String })))
})

const decode = operations("Test", "Test").decodeInput("decode", Request)

const issuesOf = (json: string) => Effect.map(Effect.flip(decode(JSON.parse(json))), ({ issues }) => issues)

describe("InvalidInput", () => {
  it.effect("reports the values of an enumeration in one issue", () =>
    Effect.gen(function* () {
      expect(yield* issuesOf('{ "id": "1", "status": "redy" }')).toEqual(["status: must be one of queued, ready"])
      expect(yield* issuesOf('{ "id": "1", "statuses": ["ready", 1] }')).toEqual([
        "statuses.1: must be one of queued, ready"
      ])
      expect(yield* issuesOf('{ "id": "1", "harness": "claud" }')).toEqual([
        "harness: must be one of opencode, codex, claude-code"
      ])
      expect(yield* issuesOf('{ "id": "1", "kind": "svn" }')).toEqual(["kind: must be git"])
    })
  )

  it.effect("reports a value that must be an object, without the fields of the object", () =>
    Effect.gen(function* () {
      for (const input of ["null", '"1"', "1"]) expect(yield* issuesOf(input)).toEqual(["must be an object"])
      expect(yield* issuesOf('{ "id": "1", "owner": 1 }')).toContain("owner: must be an object")
    })
  )
})
