/**
 * The peer that the tests of the remote client run on, held to what `@libsql/client` itself makes of it.
 */
import { createClient } from "@libsql/client"
import { expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { openEmptyPeer } from "../support/database.js"

const onStockClient = (use: (client: ReturnType<typeof createClient>) => Promise<void>, authToken?: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* openEmptyPeer(authToken === undefined ? {} : { authToken })
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => createClient({ url, ...(authToken === undefined ? {} : { authToken }) })),
        (open) => Effect.sync(() => open.close())
      )
      yield* Effect.promise(() => use(client))
    })
  )

const codeOf = (failing: Promise<unknown>) =>
  failing.then(
    () => "ok",
    (error: unknown) =>
      Option.getOrElse(Option.liftThrowable(() => String(Reflect.get(Object(error), "code")))(), () => "none")
  )

it.effect("the peer runs statements, scripts and batches", () =>
  onStockClient(async (client) => {
    await client.executeMultiple("CREATE TABLE t (n INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'one');")
    const inserted = await client.execute("INSERT INTO t VALUES (?, ?)", [7, new Uint8Array([1, 2, 3, 4])])
    expect([inserted.rowsAffected, inserted.lastInsertRowid]).toEqual([1, 7n])
    const updated = await client.execute("UPDATE t SET v = v WHERE n > 0 RETURNING n")
    expect([updated.rowsAffected, updated.columns, updated.rows.length]).toEqual([2, ["n"], 2])
    const { columns, rows } = await client.execute("SELECT n, v, 1.5 AS f, NULL AS missing FROM t ORDER BY n")
    expect(columns).toEqual(["n", "v", "f", "missing"])
    expect(rows.map((row) => Array.from(row))).toEqual([
      [1, "one", 1.5, null],
      [7, new Uint8Array([1, 2, 3, 4]).buffer, 1.5, null]
    ])
    expect(await codeOf(client.batch(["INSERT INTO t VALUES (8, NULL)", "INSERT INTO t VALUES (7, NULL)"]))).toBe(
      "SQLITE_CONSTRAINT"
    )
    expect(
      (await client.batch(["INSERT INTO t VALUES (8, NULL)", "SELECT count(*) AS c FROM t"], "write"))[1]?.rows[0]?.[
        "c"
      ]
    ).toBe(3)
  })
)

it.effect("the peer ends a transaction on a failed BEGIN, a rollback or a closed stream", () =>
  onStockClient(async (client) => {
    await client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    for (const leave of ["commit", "rollback", "close"] as const) {
      const transaction = await client.transaction("write")
      await transaction.batch(["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"])
      // The same text again is sent by its number.
      for (const n of [3, 4]) await transaction.execute({ sql: "INSERT INTO t VALUES (?)", args: [n] })
      await transaction[leave]()
      expect((await client.execute("SELECT n FROM t")).rows.length).toBe(leave === "commit" ? 4 : 0)
      await client.execute("DELETE FROM t")
    }
  })
)

it.effect("the peer rejects statements as a server does", () =>
  onStockClient(async (client) => {
    expect(await codeOf(client.execute("NONSENSE"))).toBe("SQL_INPUT_ERROR")
    expect(await codeOf(client.execute("SELECT 1; SELECT 2"))).toBe("SQL_MANY_STATEMENTS")
    expect(await codeOf(client.execute("SELECT ?"))).toBe("ARGS_INVALID")
    expect(await codeOf(client.execute("VACUUM INTO '/tmp/never'"))).toBe("SQL_PARSE_ERROR")
    expect(await codeOf(client.execute("COMMIT"))).toBe("SQLITE_UNKNOWN")
  }, "token")
)
