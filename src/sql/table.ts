/**
 * The description of a table, as an annotation of its row model. `docs/schema.md` is generated from it, and a test
 * compares it with the database.
 */
import type { Waits } from "./transitions.js"

export const TableId: unique symbol = Symbol.for("@sealant/db/Table")

/** The states and transitions of a state machine, as diagrams need them. */
export interface States {
  readonly states: ReadonlyArray<string>
  readonly transitions: Readonly<Record<string, ReadonlyArray<string>>>
  readonly waits: Waits<string>
}

/** The description of a table. */
export interface Table {
  readonly name: string
  /** The service that writes the table. */
  readonly service: string
  /** The purpose of the rows, in one or two sentences. */
  readonly purpose: string
  /** The state machine of each status column, by column name. */
  readonly states?: Readonly<Record<string, States>>
  /**
   * Columns that triggers maintain. The model omits them, because RETURNING contains the values before triggers run.
   */
  readonly maintained?: ReadonlyArray<string>
}

/** Builds the annotation: `Model.Class<Sandbox>("Sandbox")({ ... }, table({ name: "sandboxes", ... }))`. */
export const table = (description: Table) => ({ description: description.purpose, [TableId]: description })
