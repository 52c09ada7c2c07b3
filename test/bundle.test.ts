/**
 * The package in a bundle, and two copies of it in one process.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { copyFileSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type * as Package from "../src/index.js"
import { temporaryDirectory } from "./support/directories.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** A directory where a bundle finds the native binding and no other dependency. */
const outside = Effect.tap(temporaryDirectory, (directory) =>
  Effect.sync(() => symlinkSync(join(root, "node_modules"), join(directory, "node_modules")))
)

const program = `
  import { Effect, Layer } from "effect"
  import { Database, Maintenance, Migrations } from "./src/index.js"
  const database = Layer.provideMerge(Migrations.layer, Database.layer({ filePath: process.argv[2] }))
  const all = Effect.all([Maintenance.integrityCheck, Maintenance.stats, Maintenance.backup(process.argv[2] + ".backup")])
  Effect.runPromise(Effect.provide(all, database)).then(([{ ok }, { migrations }, { bytes }]) =>
    console.log(JSON.stringify({ ok, migrated: migrations > 0, copied: bytes > 0 })))`

describe("a bundle", () => {
  it.scopedLive.each([
    ["cjs", ["libsql"]],
    ["esm", ["libsql", "@*", "effect", "sshpk", "uuid"]]
  ] as const)("in the format %s makes backups, statistics and integrity checks", ([format, external]) =>
    Effect.gen(function* () {
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
      const printed = execFileSync(process.execPath, [outfile, join(directory, "a.sqlite")], {
        encoding: "utf8",
        cwd: "/"
      })
      expect(JSON.parse(printed)).toEqual({ ok: true, migrated: true, copied: true })
    })
  )
})

describe("two copies of the package in one process, each with its own copy of Effect", () => {
  const copies = Effect.gen(function* () {
    const directory = yield* outside
    const [one, two] = [join(directory, "one.cjs"), join(directory, "two.cjs")]
    yield* Effect.promise(() =>
      build({
        entryPoints: [join(root, "src/index.ts")],
        bundle: true,
        platform: "node",
        format: "cjs",
        external: ["libsql"],
        outfile: one,
        logLevel: "error"
      })
    )
    copyFileSync(one, two)
    const require = createRequire(import.meta.url)
    return { one: require(one) as typeof Package, two: require(two) as typeof Package }
  })
  const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
  const open = (layer: typeof Package.Database.layerMemory) =>
    Effect.map(Layer.build(layer), (context) => Layer.succeedContext(context))

  it.scopedLive("recognize each other's errors, and keep their transactions apart", () =>
    Effect.gen(function* () {
      const { one, two } = yield* copies
      // First, because it expects the first databases that each copy opens.
      const [first, second] = [yield* open(one.Database.layerMemory), yield* open(two.Database.layerMemory)]
      yield* Effect.provide(run("CREATE TABLE t (n)"), second)
      const inBoth = Effect.zipRight(run("CREATE TABLE u (n)"), Effect.provide(run("INSERT INTO t VALUES (1)"), second))
      expect(
        yield* Effect.flip(
          Effect.provide(one.Database.transaction(Effect.zipRight(inBoth, Effect.fail("taken back"))), first)
        )
      ).toBe("taken back")
      expect(yield* Effect.provide(run("SELECT n FROM t"), second)).toEqual([{ n: 1 }])

      const user = { name: "a", email: "a@example.com" }
      const database = Layer.provideMerge(one.Migrations.layer, one.Database.layerMemory)
      const refused = Effect.flatMap(two.UserRepo, (users) =>
        Effect.zipRight(users.create(user), Effect.flip(users.create(user)))
      )
      expect(yield* Effect.provide(refused, Layer.provideMerge(two.UserRepo.layer, database))).toMatchObject({
        _tag: "AlreadyExists",
        entity: "User"
      })
      const broken = two.Migrations.make({ "0001_broken": "CREATE TABLE a (b) STRICT" })
      expect(yield* Effect.flip(Effect.provide(broken.run, one.Database.layerMemory))).toMatchObject({
        _tag: "MigrationFailed",
        statement: 1
      })
    })
  )
})
