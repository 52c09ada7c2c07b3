/**
 * A deployment while programs of the previous release run: they continue on the new schema without loss.
 */
import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { randomOf } from "../crash/torture/random.js"
import { begin, check, endOf, newAccount, newDatabase, progress, worker } from "../crash/torture/run.js"
import { runProcess } from "../cli/support.js"
import { temporaryDirectory } from "../support/directories.js"

const count = Object.keys(migrations).length
const name = (offset: number, label: string) => `${String(count + offset).padStart(4, "0")}_${label}`

/** The next release: what a migration may do while old programs write. */
const next = {
  ...migrations,
  [name(1, "colours")]: `
ALTER TABLE sandboxes ADD COLUMN colour TEXT;
ALTER TABLE oci_image_build_jobs ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
CREATE TABLE colours (id TEXT PRIMARY KEY NOT NULL, sandbox_id TEXT REFERENCES sandboxes (id) ON DELETE CASCADE) STRICT;
CREATE INDEX colours_sandbox_id_idx ON colours (sandbox_id);
CREATE INDEX sandboxes_colour_idx ON sandboxes (colour) WHERE colour IS NOT NULL;`,
  [name(2, "shades")]:
    "UPDATE sandboxes SET colour = 'green' WHERE colour IS NULL; CREATE INDEX oci_image_build_jobs_urgency_idx ON oci_image_build_jobs (urgency);"
}
const newer = Migrations.make(next)
const onlyLooking = (filePath: string) => Database.layer({ filePath })

it.live(
  "older programs continue while two new ones migrate concurrently; new ones need the new schema",
  () =>
    Effect.gen(function* () {
      const victim = yield* newDatabase
      const random = randomOf(21)
      const old = yield* Effect.forEach([0, 1], (slot) =>
        worker(victim, { seed: random.below(2 ** 31), slot, synchronous: "normal" })
      )
      yield* Effect.forEach(old, begin)
      yield* Effect.forEach(old, (process) => progress(process, 30))

      const refused = yield* Effect.flip(newer.verify).pipe(Effect.provide(onlyLooking(victim.filePath)))
      expect(refused.message).toBe(
        `the database ${victim.filePath} is older than the program and lacks ${name(1, "colours")}, ${name(2, "shades")}: run \`sealant-db migrate\``
      )
      const migrate = Effect.provide(newer.run, onlyLooking(victim.filePath))
      const applied = yield* Effect.all([migrate, migrate], { concurrency: "unbounded" })
      expect(applied.map((all) => all.length).toSorted()).toEqual([0, 2])

      // Statements that they prepared before, and new ones.
      yield* Effect.forEach(old, (process) => progress(process, 60))
      for (const process of old) {
        process.signal("SIGKILL")
        yield* endOf(process)
      }
      // The invariants are checked by the previous release, whose programs are still running.
      const account = newAccount()
      yield* check(account, victim, "after the deploy", { last: true })
      expect(account.losses).toEqual([])

      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* newer.verify
        expect((yield* Effect.flip(Migrations.verify)).message).toBe(
          `the program is older than the database ${victim.filePath}, which has ${name(1, "colours")}, ${name(2, "shades")}: deploy a version of the program that knows them`
        )
        expect(yield* sql`SELECT count(*) AS n FROM sandboxes WHERE colour = 'green'`).not.toEqual([{ n: 0 }])
      }).pipe(Effect.provide(onlyLooking(victim.filePath)))
    }).pipe(Effect.scoped),
  120_000
)

it.scopedLive("a program on another schema fails with one line and the remedy", () =>
  Effect.gen(function* () {
    const filePath = join(yield* temporaryDirectory, "test.sqlite")
    const doing = (command: ReadonlyArray<string>) =>
      Effect.promise(() => runProcess(command, { DATABASE_FILE_PATH: filePath }))
    yield* Effect.provide(newer.run, onlyLooking(filePath))
    const { code, stderr } = yield* doing(["migrate"])
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^sealant-db: the program is older than the database .*, which has .*: deploy a version of the program that knows them\n$/
    )
  })
)
