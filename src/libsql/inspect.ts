/**
 * The checks of statements before they run, for all clients.
 */
import { DriverError } from "./DriverError.js"
import { inspectStatement, type StatementText } from "./sqlText.js"

// Enough for the texts of all services. The limit bounds memory in a program that builds SQL text dynamically.
const inspectedSize = 1024

const inspected = new Map<string, StatementText>()

/** Inspects the text of a statement, and caches the result. */
export const inspect = (sql: string): StatementText => {
  const known = inspected.get(sql)
  if (known !== undefined) return known
  const text = inspectStatement(sql)
  if (inspected.size >= inspectedSize) inspected.clear()
  inspected.set(sql, text)
  return text
}

/** Checks the number of values. The binding would reuse values of an earlier execution, and drop surplus ones. */
export const requireParameters = (sql: string, count: number): void => {
  const { placeholders } = inspect(sql)
  if (count !== placeholders) {
    throw new DriverError(
      "SEALANT_STATEMENT",
      `the statement has ${placeholders} parameters, but ${count} values were passed`
    )
  }
}

/**
 * Inspects a statement of a transaction. Throws if the text is several statements, or one that cannot run in a
 * transaction.
 */
export const requireInTransaction = (sql: string): StatementText => {
  const text = inspect(sql)
  if (!text.single || text.kind === "boundary" || text.kind === "alone") {
    throw new DriverError(
      "SEALANT_STATEMENT",
      "a transaction accepts one statement at a time, and no BEGIN, COMMIT, END, ROLLBACK, PRAGMA, VACUUM, ATTACH or DETACH"
    )
  }
  return text
}

/** Builds the error for a text that is not exactly one statement. */
export const notOneStatement = () =>
  new DriverError("SEALANT_STATEMENT", "the text must hold one statement; the engine would drop all but the first")
