/**
 * What a model says of its table: for those who read it, and for the test that holds the two together.
 */
export const TableId: unique symbol = Symbol.for("@sealant/db/Table")

/** What a diagram needs of a state machine. */
export interface States {
  readonly states: ReadonlyArray<string>
  readonly transitions: Readonly<Record<string, ReadonlyArray<string>>>
}

/** A table as its model describes it. */
export interface Table {
  readonly name: string
  /** The service that writes it. */
  readonly service: string
  /** What the rows are for: a sentence or two. */
  readonly purpose: string
  /** The state machine of each status column, by the column's name. */
  readonly states?: Readonly<Record<string, States>>
  /** Columns that triggers maintain. The model leaves them out, because RETURNING returns a row as it is before they run. */
  readonly maintained?: ReadonlyArray<string>
}

/** The annotation of a row model: `Model.Class<Sandbox>("Sandbox")({ ... }, table({ name: "sandboxes", ... }))`. */
export const table = (description: Table) => ({ description: description.purpose, [TableId]: description })
