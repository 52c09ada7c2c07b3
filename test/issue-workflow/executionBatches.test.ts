import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { batchOf } from "../../src/issue-workflow/executionBatches.js"
import { refusalOf } from "../support/refusals.js"

const same = (row: object) => row

describe("batches", () => {
  it.effect("are sent as one JSON array with any values", () =>
    Effect.gen(function* () {
      const rows = [{ id: 'a"b', text: "é" }, {}]
      expect(JSON.parse(yield* batchOf("appendEvents", "events", rows, same))).toEqual(rows)
      expect(yield* batchOf("appendEvents", "events", [], same)).toBe("[]")
    })
  )

  it.effect("that are longer than a parameter or a string are rejected", () =>
    Effect.gen(function* () {
      const long = { text: "x".repeat(101_000_000) }
      // The error of the JavaScript engine for a text of more than half a gigabyte, without creating one.
      const endless = {
        toJSON: () => {
          throw new RangeError("Invalid string length")
        }
      }
      for (const rows of [
        [long, long],
        [{}, endless]
      ]) {
        expect(yield* refusalOf(batchOf("appendEvents", "events", rows, same))).toMatchObject({
          _tag: "InvalidInput",
          operation: "IssueWorkflowExecutionRepo.appendEvents",
          issues: ["events: must be up to 200000000 characters together"]
        })
      }
    })
  )
})
