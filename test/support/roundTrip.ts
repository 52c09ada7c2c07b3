/**
 * A property of every row model.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Arbitrary, Effect, FastCheck, Schema } from "effect"
import { rowsOf } from "../../src/sql/rows.js"
import { memoryLayer } from "./database.js"

/** Any instance survives the way through the engine, by the row decoder and by the schema; and through JSON. */
export const roundTrip = <A, I extends object, J, JI>(
  name: string,
  model: Schema.Schema<A, I> & { readonly json: Schema.Schema<J, JI>; readonly prototype: object },
  numRuns: number
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* rowsOf<A>(model)
      const runtime = yield* Effect.runtime<SqlClient.SqlClient>()
      const encode = Schema.encodeSync(model)
      const through = (instance: A) =>
        Effect.gen(function* () {
          const row = encode(instance)
          const select = sql`SELECT ${sql.csv(Object.entries(row).map(([column, value]) => sql`${value} AS ${sql(column)}`))}`
          const [stored] = yield* select
          expect(stored).toEqual(row)
          expect(yield* rows.single(select)).toEqual(instance)
          expect(Schema.decodeUnknownSync(model)(stored)).toEqual(instance)
        })
      const runPromise = (instance: A) => Effect.runPromise(Effect.provide(through(instance), runtime))
      yield* Effect.promise(() =>
        FastCheck.assert(FastCheck.asyncProperty(Arbitrary.make(model), runPromise), { numRuns })
      )

      const decodeJson = Schema.decodeUnknownSync(model.json)
      const encodeJson = Schema.encodeSync(model.json)
      FastCheck.assert(
        FastCheck.property(Arbitrary.make(model.json), (value) => {
          expect(decodeJson(JSON.parse(JSON.stringify(encodeJson(value))))).toEqual(value)
        }),
        { numRuns }
      )
    }).pipe(Effect.provide(memoryLayer))
  )
