/**
 * `docs/states.md`: each state that is not final has a program that moves the row on, and a deadline or a reason for none.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { descriptions } from "../scripts/schema/models.js"
import { currentDocument, statesDocument } from "../scripts/states/main.js"
import { problemsOf, render } from "../scripts/states/render.js"
import { stateMachine } from "../src/sql/transitions.js"

const machine = (waits: Parameters<typeof stateMachine<"open" | "done">>[2]) =>
  stateMachine<"open" | "done">(["open", "done"], { open: ["done"], done: [] }, waits)

const rule = { by: "its worker", noDeadline: "it is in use" }

describe("docs/states.md", () => {
  it("is the output of `npm run docs:states`", () => {
    expect(readFileSync(statesDocument, "utf8") === currentDocument(), "it is stale: run npm run docs:states").toBe(
      true
    )
  })

  it("contains each state of each state machine", () => {
    const lines = currentDocument().split("\n")
    const machines = [...descriptions.values()].flatMap(({ name, states = {} }) =>
      Object.entries(states).map(([column, { states }]) => ({ title: `## ${name}.${column}`, states }))
    )
    expect(machines.length).toBeGreaterThan(10)
    for (const { states, title } of machines) {
      const section = lines.slice(lines.indexOf(title) + 1)
      const end = section.findIndex((line) => line.startsWith("## "))
      for (const state of states)
        expect(section.slice(0, end === -1 ? undefined : end).join("\n"), title).toContain(`| \`${state}\``)
    }
  })

  it("is not generated while a state that is not final has no rule, or a final one has one", () => {
    expect(problemsOf("rows.status", machine({ open: [rule] }))).toEqual([])
    expect(problemsOf("rows.status", machine({}))).toEqual(["rows.status: open is not final, and has no rule"])
    expect(problemsOf("rows.status", machine({ open: [rule], done: [rule] }))).toEqual([
      "rows.status: done is final, and has a rule"
    ])
    expect(problemsOf("rows.status", machine({ open: [rule, rule] }))).toEqual([
      "rows.status: open has several rules without a condition"
    ])
    const table = { name: "rows", service: "RowRepo", purpose: "Rows.", states: { status: machine({}) } }
    expect(() => render([table])).toThrow(/open is not final/)
  })
})
