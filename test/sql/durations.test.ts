import { expect, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { Pause, Wait } from "../../src/sql/durations.js"

it("negative values and NaN are not durations, and zero is one", () => {
  const isWait = Schema.is(Wait)
  for (const given of [
    Number.NaN,
    -1,
    -1n,
    -Infinity,
    "-1 second",
    [-1, 0],
    [0, -1],
    [Number.NaN, 0],
    "soon",
    null,
    {}
  ]) {
    expect([given, isWait(given)]).toEqual([given, false])
  }
  for (const given of [0, 0n, "0 millis", [0, 0], "1 second", Infinity, Duration.zero, Duration.infinity]) {
    expect([given, isWait(given)]).toEqual([given, true])
  }
  expect(Schema.is(Pause)(0)).toBe(false)
})
