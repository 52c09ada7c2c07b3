import { expect, it } from "@effect/vitest"
import { Duration } from "effect"
import { readFileSync } from "node:fs"
import * as Retention from "../../src/Retention.js"

it("the retention table in the docs lists the periods of the program", () => {
  const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8")
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) days? \| (.+) \|$/gm)].map(([, table, days, since]) => [
    table,
    Number(days),
    since
  ])
  const declared = Object.entries(Retention.defaults).map(([table, { keepFor, since }]) => [
    table,
    Duration.toDays(keepFor),
    since
  ])
  expect(rows).toEqual(declared)
})
