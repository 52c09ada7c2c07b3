import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { currentDocument, schemaDocument } from "../../scripts/schema/main.js"
import { descriptions } from "../../scripts/schema/models.js"
import type { TableSchema } from "../../scripts/schema/read.js"
import { render } from "../../scripts/schema/render.js"

const orphan: TableSchema = {
  name: "orphans",
  domain: "auth",
  columns: [],
  checks: [],
  foreignKeys: [],
  indexes: [],
  triggers: []
}

describe("docs/schema.md", () => {
  it.effect("is the output of `npm run docs:schema`", () =>
    Effect.map(currentDocument, (document) => {
      expect(readFileSync(schemaDocument, "utf8") === document, "it is stale: run npm run docs:schema").toBe(true)
    })
  )

  it("is not generated while a table has no purpose", () => {
    expect(() => render({ tables: [orphan], views: [] }, descriptions, ["auth"])).toThrow(/orphans/)
  })

  it.effect("contains tables, constraints, relations and states", () =>
    Effect.map(currentDocument, (document) => {
      for (const line of [
        "### sandboxes",
        '  user ||--o{ sandboxes : "owner_user_id"',
        '  sandbox_attempts ||--o| sandbox_attempt_snapshots : "run_id"',
        "  [*] --> queued",
        "  stopped --> queued",
        "| `sandboxes_status` | `status IN ('queued', 'running', 'ready', 'failed', 'stopped')` |"
      ])
        expect(document.split("\n")).toContain(line)
    })
  )
})
