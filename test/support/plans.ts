/**
 * Query plans: which statements an effect runs, and what the planner makes of them.
 *
 * Explain on a database in a file: there it happens on the reading connection. The binding leaves an explained write open,
 * which on the one connection of a database in memory is in the way of the next commit.
 */
import { SqlClient, Statement } from "@effect/sql"
import { Effect } from "effect"

/** A statement that was run. */
export interface RecordedStatement {
  readonly text: string
  readonly params: ReadonlyArray<unknown>
}

/** Runs the effect, and returns the statements that it ran, in their order. */
export const recordStatements = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<RecordedStatement>, E, R> =>
  Effect.suspend(() => {
    const recorded: Array<RecordedStatement> = []
    return effect.pipe(
      Statement.withTransformer((statement) =>
        Effect.sync(() => {
          const [text, params] = statement.compile(true)
          recorded.push({ text, params })
          return statement
        })
      ),
      Effect.as(recorded)
    )
  })

/** The lines of EXPLAIN QUERY PLAN (https://www.sqlite.org/eqp.html). */
export const planOf = ({ params, text }: RecordedStatement) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.unsafe<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${text}`, params).pipe(
      Statement.withTransformerDisabled,
      Effect.map((lines) => lines.map(({ detail }) => detail)),
      Effect.orDie
    )
  )

/**
 * Runs the effect and explains each statement that it ran. Returns what would grow with the tables: scans, sorts for an
 * ORDER BY, and indexes that the engine builds for one statement. Lists that are given to a statement (`json_each`) and
 * what it computes for itself may be scanned.
 *
 * Fails the test, too, when the effect ran no statement: then nothing was looked at.
 */
export const planIssues = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(recordStatements(effect), issuesOf)

/**
 * Explains recorded statements, as `planIssues` does. For effects that read what earlier ones wrote: an explained write
 * keeps the reading connection on the snapshot that it has.
 */
export const issuesOf = (statements: ReadonlyArray<RecordedStatement>) =>
  Effect.gen(function* () {
    if (statements.length === 0) return ["no statement was run"]
    const issues = yield* Effect.forEach(statements, (statement) =>
      Effect.map(planOf(statement), (lines) => costsOf(lines).map((line) => `${line} in: ${oneLine(statement.text)}`))
    )
    return [...new Set(issues.flat())]
  })

const costsOf = (lines: ReadonlyArray<string>) => {
  const computed = new Set(lines.flatMap((line) => /^(?:CO-ROUTINE|MATERIALIZE) (\S+)/.exec(line)?.[1] ?? []))
  return lines.filter((line) => {
    const scanned = /^SCAN (\S+)/.exec(line)?.[1]
    const grows =
      scanned !== undefined && !line.includes("VIRTUAL TABLE") && line !== "SCAN CONSTANT ROW" && !computed.has(scanned)
    return grows || /USE TEMP B-TREE FOR .*ORDER BY|AUTOMATIC .*INDEX/.test(line)
  })
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim()
