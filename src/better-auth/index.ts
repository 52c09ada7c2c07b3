/**
 * Better Auth on this database, `@sealant/db/better-auth`: the entry point for programs that have `better-auth` installed.
 */
import { type CustomAdapter, createAdapterFactory, type DBAdapter, type JoinConfig } from "better-auth/adapters"
import type { BetterAuthOptions } from "better-auth"
import { Option } from "effect"
import { type Server, type Table, tablesOf } from "./names.js"
import * as Queries from "./queries.js"
import { databaseScope, makeTransactions, type Provider, type Run, type Scope, type Transactions } from "./transactions.js"

export type { Provider } from "./transactions.js"

/**
 * The database adapter of a Better Auth server, over the same client and in the same transactions as the repositories.
 *
 * Each model is in the table of its name in snake_case, each field in the column of its name in snake_case
 * (`emailVerified` is `email_verified`): dates as epoch milliseconds, booleans as 0 and 1, JSON and lists as JSON text. The
 * migrations of this package make the tables of the core models; those of a plugin, and columns that a plugin adds to the
 * core models, are up to the program. Numeric ids (`generateId: "serial"`) are refused.
 *
 * What a method rejects with is an error of `Errors.ts`: it names models, fields and rules, and holds no values. A
 * transaction of Better Auth is one of the database, and holds the write lock from its first write on: what a hook writes
 * inside it through a repository, on a fiber of its own, would wait for the transaction that waits for the hook. Hooks that
 * run `after` run when it is over.
 *
 * @example
 * ```ts
 * import { betterAuth } from "better-auth"
 * import { ManagedRuntime } from "effect"
 * import { Database } from "@sealant/db"
 * import { betterAuthAdapter } from "@sealant/db/better-auth"
 *
 * const runtime = ManagedRuntime.make(Database.layerConfig)
 *
 * export const auth = betterAuth({
 *   database: betterAuthAdapter(runtime),
 *   emailAndPassword: { enabled: true }
 * })
 * ```
 */
export const betterAuthAdapter = <E>(runtime: Provider<E>) => (options: BetterAuthOptions): DBAdapter =>
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
        transactions.transaction(transactions.current(scope), (inner) => callback(adapterIn(inner, transactions, options)))
    },
    adapter: (server) =>
      methodsOf(server, {
        read: (effect) => transactions.current(scope).read(effect),
        write: (effect) => transactions.current(scope).write(effect)
      })
  })(options)

const methodsOf = (server: Server, { read, write }: { readonly read: Run; readonly write: Run }): CustomAdapter => {
  const tables = tablesOf(server)

  const tableOf = ({ model, modelKey = model }: { readonly model: string; readonly modelKey?: string | undefined }): Table => {
    const table = tables.get(server.getDefaultModelName(modelKey))
    if (table === undefined) throw new Error(`Better Auth: there is no model ${modelKey}`)
    return table
  }

  const joinsOf = (join: JoinConfig = {}) =>
    Object.entries(join).map(([key, config]) => ({ key, config, table: tableOf({ model: key, modelKey: config.modelKey }) }))

  /** Where rows are sorted and what is selected comes as the model has it, not as the table has it. */
  const named = (table: Table, field: string) => server.getFieldName({ model: table.model, field })

  /** What is done to one row that meets the condition. Without one it would be done to any row: then it is done to none. */
  const one = async (where: ReadonlyArray<unknown>, query: ReturnType<typeof Queries.updateOne | typeof Queries.consumeOne>) =>
    where.length === 0 ? null : Option.getOrNull(await write(query))

  return {
    create: async ({ data, ...target }) => shaped(Option.getOrNull(await write(Queries.create(tableOf(target), data)))),

    findOne: async ({ join, select, where, ...target }) => {
      const table = tableOf(target)
      const fields = select?.map((field) => named(table, field))
      const [row = null] = await read(Queries.find(table, { where, fields, limit: 1, joins: joinsOf(join) }))
      return shaped(row)
    },

    findMany: async ({ join, limit, offset, select, sortBy, where, ...target }) => {
      const table = tableOf(target)
      const sorted = sortBy === undefined ? undefined : { ...sortBy, field: named(table, sortBy.field) }
      const fields = select?.map((field) => named(table, field))
      return shaped(await read(Queries.find(table, { where, fields, sortBy: sorted, limit, offset, joins: joinsOf(join) })))
    },

    count: ({ where, ...target }) => read(Queries.count(tableOf(target), where)),

    update: async ({ update, where, ...target }) =>
      shaped(await one(where, Queries.updateOne(tableOf(target), where, shaped(update)))),

    updateMany: ({ update, where, ...target }) => write(Queries.updateMany(tableOf(target), where, update)),

    // Without a condition it would be all rows: for that there is `deleteMany`.
    delete: async ({ where, ...target }) => {
      if (where.length > 0) await write(Queries.deleteMany(tableOf(target), where))
    },

    deleteMany: ({ where, ...target }) => write(Queries.deleteMany(tableOf(target), where)),

    consumeOne: async ({ where, ...target }) => shaped(await one(where, Queries.consumeOne(tableOf(target), where))),

    incrementOne: async ({ increment, set = {}, where, ...target }) =>
      shaped(await one(where, Queries.updateOne(tableOf(target), where, set, increment)))
  }
}

/** The factory says of rows only that who asked for them knows their type. */
const shaped = <T>(rows: unknown): T => rows as T
