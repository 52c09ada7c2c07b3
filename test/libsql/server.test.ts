/**
 * The client on the real libSQL server.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { requestsOf, run } from "./remoteSupport.js"
import { isMissing, onEmptyServer, onServer } from "./serverSupport.js"

describe.skipIf(isMissing)("the real server", () => {
  it.effect("has a database for each test, and the proxy counts its requests", () =>
    onEmptyServer((proxy) =>
      Effect.gen(function* () {
        expect(yield* run("SELECT count(*) AS n FROM sqlite_schema")).toEqual([{ n: 0 }])
        yield* run("CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT")
        expect(yield* requestsOf(proxy, run("INSERT INTO numbers VALUES (1)"))).toBe(1)
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(run("INSERT INTO numbers VALUES (2)"))
        expect(yield* run("SELECT n FROM numbers")).toEqual([{ n: 1 }, { n: 2 }])
      })
    )
  )

  it.effect("opens a copy of a migrated file", () =>
    onServer(() =>
      Effect.gen(function* () {
        expect(yield* run("SELECT count(*) AS n FROM user")).toEqual([{ n: 0 }])
        expect(yield* run("PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }])
      })
    )
  )
})

it.runIf(process.platform === "linux" && process.arch === "x64")("npm ci installs the server on Linux x64", () => {
  expect(isMissing).toBe(false)
})
