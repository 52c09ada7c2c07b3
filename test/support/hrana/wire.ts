/**
 * What goes over the wire, as far as `@libsql/client` sends it to an `http:` URL: version 2 of Hrana over HTTP, in JSON
 * (https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_2_SPEC.md).
 */

/** Integers are text, because JSON has no 64 bits. */
export type Value =
  | { readonly type: "null" }
  | { readonly type: "integer"; readonly value: string }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "blob"; readonly base64: string }

/** A text, or the number under which the stream keeps one. */
export interface Sql {
  readonly sql?: string
  readonly sql_id?: number
}

export interface Stmt extends Sql {
  readonly args?: ReadonlyArray<Value>
  readonly named_args?: ReadonlyArray<unknown>
  readonly want_rows?: boolean
}

export type Condition =
  | { readonly type: "ok" | "error"; readonly step: number }
  | { readonly type: "not"; readonly cond: Condition }
  | { readonly type: "and" | "or"; readonly conds: ReadonlyArray<Condition> }
  | { readonly type: "is_autocommit" }

export interface Step {
  readonly stmt: Stmt
  readonly condition?: Condition
}

export type Request =
  | { readonly type: "close" | "get_autocommit" }
  | { readonly type: "execute"; readonly stmt: Stmt }
  | { readonly type: "batch"; readonly batch: { readonly steps: ReadonlyArray<Step> } }
  | ({ readonly type: "sequence" | "describe" } & Sql)
  | { readonly type: "store_sql"; readonly sql_id: number; readonly sql: string }
  | { readonly type: "close_sql"; readonly sql_id: number }

export interface Pipeline {
  readonly baton?: string | null
  readonly requests: ReadonlyArray<Request>
}

export interface StmtResult {
  readonly cols: ReadonlyArray<{ readonly name: string; readonly decltype: string | null }>
  readonly rows: ReadonlyArray<ReadonlyArray<Value>>
  readonly affected_row_count: number
  readonly last_insert_rowid: string | null
}

/** A request or a statement that failed. Its stream continues. */
export class StatementError extends Error {
  constructor(
    readonly code: string,
    message: string
  ) {
    super(message)
  }
}

/** A request for which there is no result: the answer is this status, and the stream is gone. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code?: string
  ) {
    super(message)
  }
}

/** The value as the engine binds it. */
export const toEngine = (value: Value): string | number | bigint | Buffer | null => {
  switch (value.type) {
    case "null":
      return null
    case "integer":
      return BigInt(value.value)
    case "blob":
      return Buffer.from(value.base64, "base64")
    default:
      return value.value
  }
}

/** A value of the engine, whose integers are bigints. Servers leave the padding of base64 out. */
export const toWire = (value: unknown): Value => {
  if (typeof value === "bigint") return { type: "integer", value: String(value) }
  if (typeof value === "number") return { type: "float", value }
  if (typeof value === "string") return { type: "text", value }
  if (value instanceof ArrayBuffer)
    return { type: "blob", base64: Buffer.from(value).toString("base64").replace(/=+$/, "") }
  if (Buffer.isBuffer(value)) return { type: "blob", base64: value.toString("base64").replace(/=+$/, "") }
  return { type: "null" }
}
