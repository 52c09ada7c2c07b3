/**
 * The package inside a bundle, and twice in one process.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Own from "../src/index.js"
import { temporaryDirectory } from "./support/database.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** A directory in which a bundle finds the native binding, and nothing else of ours. */
const outside = Effect.tap(temporaryDirectory, (directory) => Effect.sync(() => symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))))

const program = `
  import { Effect, Layer } from "effect"
  import { Database, Maintenance, Migrations } from "./src/index.js"
  const database = Layer.provideMerge(Migrations.layer, Database.layer({ filePath: process.argv[2] }))
  const all = Effect.all([Maintenance.integrityCheck, Maintenance.stats, Maintenance.backup(process.argv[2] + ".backup")])
  Effect.runPromise(Effect.provide(all, database)).then(([{ ok }, { migrations }, { bytes }]) =>
    console.log(JSON.stringify({ ok, migrated: migrations > 0, copied: bytes > 0 })))`

describe("a bundle", () => {
  it.scopedLive.each([["cjs", ["libsql"]], ["esm", ["libsql", "@*", "effect", "sshpk", "uuid"]]] as const)("in the format %s makes backups, statistics and integrity checks", ([format, external]) =>
    Effect.gen(function*() {
      const directory = yield* outside
      const outfile = join(directory, format === "cjs" ? "program.cjs" : "program.mjs")
      yield* Effect.promise(() =>
        build({
          stdin: { contents: program, resolveDir: root, loader: "ts" },
          bundle: true,
          platform: "node",
          format,
          external: [...external],
          outfile,
          logLevel: "error"
        })
      )
      const printed = execFileSync(process.execPath, [outfile, join(directory, "a.sqlite")], { encoding: "utf8", cwd: "/" })
      expect(JSON.parse(printed)).toEqual({ ok: true, migrated: true, copied: true })
    }))
})

describe("two copies of the package in one process", () => {
  const otherCopy = Effect.gen(function*() {
    const outfile = join(yield* outside, "copy.mjs")
    yield* Effect.promise(() =>
      build({ entryPoints: [join(root, "src/index.ts")], bundle: true, platform: "node", format: "esm", packages: "external", outfile, logLevel: "error" })
    )
    return (yield* Effect.promise(() => import(pathToFileURL(outfile).href))) as typeof Own
  })
  const user = { name: "a", email: "a@example.com" }

  it.scopedLive("name the same errors: a repository of one works on a database of the other", () =>
    Effect.gen(function*() {
      const other = yield* otherCopy
      expect(other.UserRepo).not.toBe(Own.UserRepo)
      const database = Layer.provideMerge(Own.Migrations.layer, Own.Database.layerMemory)
      yield* Effect.gen(function*() {
        const users = yield* other.UserRepo
        yield* users.create(user)
        expect(yield* Effect.flip(users.create(user))).toMatchObject({ _tag: "AlreadyExists", entity: "User" })
      }).pipe(Effect.provide(Layer.provideMerge(other.UserRepo.layer, database)))
      const broken = other.Migrations.make({ "0001_broken": "CREATE TABLE a (b) STRICT" })
      expect(yield* Effect.flip(Effect.provide(broken.run, Own.Database.layerMemory))).toMatchObject({ _tag: "MigrationFailed", statement: 1 })
    }))

  it.scopedLive("keep their transactions apart", () =>
    Effect.gen(function*() {
      const other = yield* otherCopy
      const open = (layer: typeof Own.Database.layerMemory) =>
        Effect.map(Layer.build(layer), (context) => Layer.succeedContext(context))
      const [one, two] = [yield* open(Own.Database.layerMemory), yield* open(other.Database.layerMemory)]
      const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
      yield* Effect.provide(run("CREATE TABLE t (n)"), two)
      yield* Own.Database.transaction(Effect.zipRight(Effect.provide(run("INSERT INTO t VALUES (1)"), two), Effect.fail("taken back"))).pipe(
        Effect.ignore,
        Effect.provide(one)
      )
      expect(yield* Effect.provide(run("SELECT n FROM t"), two)).toEqual([{ n: 1 }])
    }))
})
