/**
 * A plugin with a model that has a field of each type, and an adapter for it.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import type { BetterAuthPlugin } from "better-auth"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { quiet } from "./support.js"

export const gadgets = {
  id: "gadgets",
  schema: {
    gadgetBox: {
      fields: {
        displayName: { type: "string", required: true },
        ownerId: { type: "string", required: false, references: { model: "user", field: "id" } },
        itemCount: { type: "number", required: false },
        isOpen: { type: "boolean", required: false },
        openedAt: { type: "date", required: false },
        settings: { type: "json", required: false },
        tagNames: { type: "string[]", required: false },
        topScores: { type: "number[]", required: false }
      }
    }
  }
} satisfies BetterAuthPlugin

/** A row as Better Auth returns it. */
export interface Gadget {
  readonly id: string
  readonly displayName: string
  readonly ownerId: string | null
  readonly itemCount: number | null
  readonly isOpen: boolean | null
  readonly openedAt: Date | null
  readonly settings: unknown
  readonly tagNames: ReadonlyArray<string> | null
  readonly topScores: ReadonlyArray<number> | null
}

export const model = "gadgetBox"

export const createTable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
  CREATE TABLE gadget_box (
    id TEXT PRIMARY KEY NOT NULL,
    display_name TEXT NOT NULL CONSTRAINT gadget_box_display_name CHECK (display_name <> 'forbidden'),
    owner_id TEXT REFERENCES user (id) ON DELETE CASCADE,
    item_count INTEGER,
    is_open INTEGER CHECK (is_open IN (0, 1)),
    opened_at INTEGER,
    settings TEXT CHECK (json_valid(settings)),
    tag_names TEXT CHECK (json_type(tag_names) = 'array'),
    top_scores TEXT CHECK (json_type(top_scores) = 'array')
  ) STRICT`
)

/** The adapter on the database of the test. `joins` enables joins in the adapter factory. */
export const makeAdapter = ({ joins = false } = {}) =>
  Effect.map(Effect.runtime<SqlClient.SqlClient>(), (runtime) =>
    betterAuthAdapter(runtime)({ ...quiet, plugins: [gadgets], advanced: { database: { joins } } })
  )

/** The default values of a row. */
export const plain = {
  displayName: "box",
  ownerId: null,
  itemCount: null,
  isOpen: null,
  openedAt: null,
  settings: null,
  tagNames: null,
  topScores: null
}
