/**
 * A stream: one connection of a client to the database, which lives from one HTTP request to the next by its baton.
 */
import { inspectStatement, splitStatements } from "../../../src/libsql/sqlText.js"
import { type Engine, parse, type Parsed } from "./Engine.js"
import {
  type Condition,
  type Request,
  RequestError,
  type Sql,
  StatementError,
  type Step,
  type Stmt,
  type StmtResult
} from "./wire.js"
import type { Holder, WriteLock } from "./WriteLock.js"

// What a server keeps of texts for a stream.
const maxTexts = 50
const maxTextLength = 5000

type Outcome = { readonly result: StmtResult } | { readonly error: StatementError } | undefined

export class Stream implements Holder {
  /** Grows with each request, so that a baton is good for one. */
  sequence = 0
  closed = false
  busy = false
  private lost = false
  private readonly texts = new Map<number, string>()

  constructor(
    readonly id: number,
    private readonly engine: Engine,
    private readonly lock: WriteLock,
    /** Takes the connection back when the stream is closed. */
    private readonly returned: (engine: Engine) => void
  ) {}

  /** The text of a statement, also of one that is kept. */
  textOf({ sql, sql_id: id }: Sql): string {
    const text = id === undefined ? sql : this.texts.get(id)
    if (text === undefined) throw new RequestError(400, "SQL text was not found")
    return text
  }

  /**
   * The response to one request of a pipeline. After a `StatementError` the stream continues, after a `RequestError` it ends.
   */
  async handle(request: Request): Promise<object> {
    if (this.closed) throw new RequestError(400, "The stream was closed")
    switch (request.type) {
      case "close":
        this.close()
        return { type: "close" }
      case "execute":
        return { type: "execute", result: await this.execute(this.parsed(request.stmt), request.stmt) }
      case "batch":
        return { type: "batch", result: await this.batch(request.batch.steps) }
      case "sequence":
        await this.script(this.textOf(request))
        return { type: "sequence" }
      case "describe":
        return { type: "describe", result: this.describe(this.textOf(request)) }
      case "store_sql":
        this.store(request.sql_id, request.sql)
        return { type: "store_sql" }
      case "close_sql":
        this.texts.delete(request.sql_id)
        return { type: "close_sql" }
      case "get_autocommit":
        throw new RequestError(400, "The `get_autocommit` request is supported in protocol version 3 and higher")
    }
  }

  /** The server ends the transaction: what is asked next learns of it, and what is asked after that is outside. */
  lose(): void {
    this.engine.rollback()
    this.lost = true
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.engine.rollback()
    this.lock.release(this)
    this.returned(this.engine)
  }

  get inTransaction(): boolean {
    return this.engine.inTransaction
  }

  private store(id: number, text: string): void {
    if (this.texts.has(id)) throw new RequestError(400, "SQL text is stored already")
    if (this.texts.size >= maxTexts)
      throw new StatementError("SQL_STORE_TOO_MANY", "The server cannot store more SQL texts")
    if (Buffer.byteLength(text) > maxTextLength)
      throw new StatementError("SQL_STORE_TOO_LARGE", "The statement is too large to be stored")
    this.texts.set(id, text)
  }

  private parsed(stmt: Stmt): Parsed {
    return parse(this.textOf(stmt))
  }

  private async execute(parsed: Parsed, stmt: Stmt): Promise<StmtResult> {
    this.refuseWhenLost()
    return this.run(parsed, stmt)
  }

  /** Statements one after the other, until one fails. */
  private async script(text: string): Promise<void> {
    const statements = splitStatements(text).map(parse)
    this.refuseWhenLost()
    for (const statement of statements) await this.run(statement, {})
  }

  private describe(text: string) {
    const { sql, writes } = parse(text)
    const { placeholders } = inspectStatement(sql)
    const params = Array.from({ length: placeholders }, () => ({ name: null }))
    return { params, cols: this.engine.columns(sql), is_explain: /^EXPLAIN/i.test(sql), is_readonly: !writes }
  }

  private async batch(steps: ReadonlyArray<Step>) {
    // All texts are looked at before the first one runs.
    const parsed = steps.map(({ stmt }) => this.parsed(stmt))
    const outcomes: Array<Outcome> = []
    const { lost } = this
    this.lost = false
    for (const [index, { condition, stmt }] of steps.entries()) {
      outcomes.push(
        lost
          ? { error: timedOut() }
          : condition !== undefined && !holds(condition, outcomes)
            ? undefined
            : await this.outcome(parsed[index], stmt)
      )
    }
    return {
      step_results: outcomes.map((outcome) => (outcome !== undefined && "result" in outcome ? outcome.result : null)),
      step_errors: outcomes.map((outcome) =>
        outcome !== undefined && "error" in outcome ? errorOf(outcome.error) : null
      )
    }
  }

  private async outcome(parsed: Parsed | undefined, stmt: Stmt): Promise<Outcome> {
    try {
      this.refuseWhenLost()
      return parsed === undefined ? undefined : { result: await this.run(parsed, stmt) }
    } catch (error) {
      if (error instanceof StatementError) return { error }
      throw error
    }
  }

  private async run(parsed: Parsed, stmt: Stmt): Promise<StmtResult> {
    if (parsed.writes && !this.lock.isHeldBy(this) && !(await this.lock.acquire(this))) {
      throw new StatementError("SQLITE_BUSY", "SQLite error: database is locked")
    }
    try {
      return this.engine.run(parsed, stmt)
    } finally {
      if (!this.engine.inTransaction) this.lock.release(this)
    }
  }

  private refuseWhenLost(): void {
    if (!this.lost) return
    this.lost = false
    throw timedOut()
  }
}

const timedOut = () => new StatementError("TRANSACTION_TIMEOUT", "Transaction timed out")

export const errorOf = ({ code, message }: StatementError) => ({ code, message })

const holds = (condition: Condition, outcomes: ReadonlyArray<Outcome>): boolean => {
  const at = (step: number) => outcomes[step]
  switch (condition.type) {
    case "ok":
      return "result" in (at(condition.step) ?? {})
    case "error":
      return "error" in (at(condition.step) ?? {})
    case "not":
      return !holds(condition.cond, outcomes)
    case "and":
      return condition.conds.every((inner) => holds(inner, outcomes))
    case "or":
      return condition.conds.some((inner) => holds(inner, outcomes))
    case "is_autocommit":
      throw new RequestError(400, "BatchCond of type `is_autocommit` is supported in protocol version 3 and higher")
  }
}
