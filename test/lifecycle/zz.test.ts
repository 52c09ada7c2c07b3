import { it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "@effect/sql"
import { layers, launch, shell } from "./support.js"
const body = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const r1 = yield* Effect.either(shell("SELECT count(*) AS n FROM sandboxes"))
  const db = yield* Effect.either(shell("PRAGMA database_list"))
  yield* Effect.exit(launch())
  const w = yield* sql.withTransaction(shell("SELECT count(*) AS n FROM sandboxes"))
  const r2 = yield* Effect.either(shell("SELECT count(*) AS n FROM sandboxes"))
  console.log("YY", JSON.stringify([r1._tag, db, w, r2._tag]))
})
if (process.env.BOTH) it.layer(layers.memory)((it) => it.effect("m", () => body))
it.layer(layers.file)((it) => it.effect("a", () => body))
