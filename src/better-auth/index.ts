/**
 * `@sealant/db/better-auth`: the database adapter for Better Auth. It requires that `better-auth` is installed.
 */
import { type CustomAdapter, createAdapterFactory, type DBAdapter, type JoinConfig } from "better-auth/adapters"
import type { BetterAuthOptions } from "better-auth"
import { Option } from "effect"
import { type Table, tablesOf } from "./names.js"
import type { Server } from "./values.js"
import * as Queries from "./queries.js"
import {
  databaseScope,
  makeTransactions,
  type Provider,
  type Run,
  type Scope,
  type Transactions
} from "./transactions.js"

export type { Provider } from "./transactions.js"

/**
 * Makes the database adapter of a Better Auth server. It uses the client and the transactions of the repositories.
 *
 * - Names: tables and columns have the names of models and fields in snake_case (`emailVerified` is `email_verified`).
 * - Values: dates are epoch milliseconds, booleans 0 and 1, JSON and lists JSON text.
 * - Schema: the migrations of this package create the tables of the core models. The program must create the tables of
 *   plugins, and the columns that plugins add to core models.
 * - Tokens: access, refresh and id tokens of accounts are encrypted if the runtime provides a `KeyRing` with keys.
 * - Ids: numeric ids (`generateId: "serial"`) are not supported.
 * - Errors: methods reject with errors of `Errors.ts`, which contain models, fields and rules, and no values.
 *
 * A transaction of Better Auth is a transaction of the database and holds the write lock from its first write. A hook
 * inside it must not write through a repository on a separate fiber: that write would wait for the transaction, which
 * waits for the hook. `after` hooks run after the transaction.
 *
 * @example
 * ```ts
 * import { betterAuth } from "better-auth"
 * import { Layer, ManagedRuntime } from "effect"
 * import { Database, KeyRing } from "@sealant/db"
 * import { betterAuthAdapter } from "@sealant/db/better-auth"
 *
 * const runtime = ManagedRuntime.make(Layer.merge(Database.layerConfig, KeyRing.layerConfig))
 *
 * export const auth = betterAuth({
 *   database: betterAuthAdapter(runtime),
 *   emailAndPassword: { enabled: true }
 * })
 * ```
 */
export const betterAuthAdapter =
  <E>(runtime: Provider<E>) =>
  (options: BetterAuthOptions): DBAdapter =>
    adapterIn(databaseScope(runtime), makeTransactions(), options)

const adapterIn = (scope: Scope, transactions: Transactions, options: BetterAuthOptions): DBAdapter =>
  createAdapterFactory({
    config: {
      adapterId: "sealant-db",
      adapterName: "@sealant/db",
      supportsDates: true,
      supportsBooleans: true,
      supportsJSON: true,
      supportsArrays: true,
      supportsNumericIds: false,
      transaction: (callback) =>
        transactions.transaction(transactions.current(scope), (inner) =>
          callback(adapterIn(inner, transactions, options))
        )
    },
    adapter: (server) =>
      methodsOf(server, {
        read: (effect) => transactions.current(scope).read(effect),
        write: (effect) => transactions.current(scope).write(effect)
      })
  })(options)

const methodsOf = (server: Server, { read, write }: { readonly read: Run; readonly write: Run }): CustomAdapter => {
  const tables = tablesOf(server)

  const tableOf = ({
    model,
    modelKey = model
  }: {
    readonly model: string
    readonly modelKey?: string | undefined
  }): Table => {
    const table = tables.get(server.getDefaultModelName(modelKey))
    if (table === undefined) throw new Error(`Better Auth: there is no model ${modelKey}`)
    return table
  }

  const joinsOf = (join: JoinConfig = {}) =>
    Object.entries(join).map(([key, config]) => ({
      key,
      config,
      table: tableOf({ model: key, modelKey: config.modelKey })
    }))

  /** Returns the name of a field in the schema: `select` and `sortBy` contain the names of the model. */
  const schemaField = (table: Table, field: string) => server.getFieldName({ model: table.model, field })

  /**
   * Runs a query that changes one row. Returns `null` without a condition, because it would change an arbitrary row.
   */
  const changeOne = async (
    where: ReadonlyArray<unknown>,
    query: ReturnType<typeof Queries.updateOne | typeof Queries.consumeOne>
  ) => (where.length === 0 ? null : Option.getOrNull(await write(query)))

  return {
    create: async ({ data, ...target }) => asRow(Option.getOrNull(await write(Queries.create(tableOf(target), data)))),

    findOne: async ({ join, select, where, ...target }) => {
      const table = tableOf(target)
      const fields = select?.map((field) => schemaField(table, field))
      const [row = null] = await read(Queries.find(table, { where, fields, limit: 1, joins: joinsOf(join) }))
      return asRow(row)
    },

    findMany: async ({ join, limit, offset, select, sortBy, where, ...target }) => {
      const table = tableOf(target)
      const sorted = sortBy === undefined ? undefined : { ...sortBy, field: schemaField(table, sortBy.field) }
      const fields = select?.map((field) => schemaField(table, field))
      return asRow(
        await read(Queries.find(table, { where, fields, sortBy: sorted, limit, offset, joins: joinsOf(join) }))
      )
    },

    count: ({ where, ...target }) => read(Queries.count(tableOf(target), where)),

    update: async ({ update, where, ...target }) =>
      asRow(await changeOne(where, Queries.updateOne(tableOf(target), where, asRow(update)))),

    updateMany: ({ update, where, ...target }) => write(Queries.updateMany(tableOf(target), where, update)),

    // Without a condition it would delete all rows, which only `deleteMany` may do.
    delete: async ({ where, ...target }) => {
      if (where.length > 0) await write(Queries.deleteMany(tableOf(target), where))
    },

    deleteMany: ({ where, ...target }) => write(Queries.deleteMany(tableOf(target), where)),

    consumeOne: async ({ where, ...target }) =>
      asRow(await changeOne(where, Queries.consumeOne(tableOf(target), where))),

    incrementOne: async ({ increment, set = {}, where, ...target }) =>
      asRow(await changeOne(where, Queries.updateOne(tableOf(target), where, set, increment)))
  }
}

/** Casts rows to the type parameter of a method: the caller chooses it, and the factory does not check it. */
const asRow = <T>(rows: unknown): T => rows as T
