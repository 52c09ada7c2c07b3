/**
 * The client of a libSQL server: `@libsql/client`, wrapped so that a transaction begins with its first statement.
 *
 * A server gives an interactive transaction a few seconds to live. Beginning late keeps it short, and what fails to
 * begin fails where somebody waits for it.
 */
import { createClient } from "@libsql/client"
import { Redacted } from "effect"
import { Changes, unknowable } from "./Changes.js"
import type { Result, Row } from "./Connection.js"
import { codeOf, DriverError } from "./DriverError.js"
import type { Driver, TransactionTarget } from "./SqlClient.js"
import { inspect } from "./Connection.js"
import { toNative } from "./values.js"

const urlPattern = /^(libsql|https?|wss?):\/\/[^/]/

/** A driver for the server at `url`. Throws for a URL of another kind. */
export const openRemote = (
  { authToken, url }: { readonly url: string; readonly authToken?: Redacted.Redacted<string> }
): Driver => {
  if (!urlPattern.test(url)) throw new DriverError("SEALANT_URL", "must be a libsql:, http(s): or ws(s): URL of a libSQL server")
  const client = connect({ url, ...(authToken === undefined ? {} : { authToken: Redacted.value(authToken) }) })
  return {
    client,
    changes: new Changes(unknowable),
    place: { kind: "server" },
    run: (sql, values) => execute(client, sql, values),
    begin: () => new RemoteTransaction(() => client.transaction("write"))
  }
}

const connect = (config: Parameters<typeof createClient>[0]) => {
  try {
    return createClient(config)
  } catch (cause) {
    // Its message may show a part of the URL, and with it a password or a token; its code does not.
    throw new DriverError("SEALANT_URL", `is no URL that a libSQL client takes: ${codeOf(cause) || "unknown reason"}`, { cause })
  }
}

type RemoteClient = ReturnType<typeof createClient>
type Interactive = Awaited<ReturnType<RemoteClient["transaction"]>>

const execute = async (target: RemoteClient | Interactive, sql: string, values: ReadonlyArray<unknown>): Promise<Result> => {
  if (!inspect(sql).single) throw new DriverError("SEALANT_STATEMENT", "the text holds more than one statement")
  const { columns, lastInsertRowid, rows, rowsAffected } = await target.execute({ sql, args: values.map(toNative) })
  return {
    columns: () => columns,
    rows: rows.map((row): Row => Object.fromEntries(columns.map((column) => [column, row[column]]))),
    values: () => rows.map((row) => columns.map((_, index) => row[index])),
    rowsAffected,
    lastInsertRowid
  }
}

class RemoteTransaction implements TransactionTarget {
  private begun: Promise<Interactive> | undefined
  private over = false

  constructor(private readonly open: () => Promise<Interactive>) {}

  async run(sql: string, values: ReadonlyArray<unknown>): Promise<Result> {
    if (this.over) throw new DriverError("SEALANT_TRANSACTION_OVER", "the transaction has ended")
    this.begun ??= this.open()
    return execute(await this.begun, sql, values)
  }

  async commit(): Promise<void> {
    this.over = true
    const transaction = await this.begun
    try {
      await transaction?.commit()
    } finally {
      transaction?.close()
    }
  }

  async rollback(): Promise<void> {
    this.over = true
    // A transaction that never began has nothing to take back; closing one tells the server to drop it.
    this.begun?.then((transaction) => transaction.close(), () => undefined)
  }
}
