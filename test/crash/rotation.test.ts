/**
 * A rotation of keys that is killed, and one beside a process with the old key only: no value is lost, and the old key is
 * retired when no version uses it.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Redacted, Stream } from "effect"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../src/Database.js"
import { EncryptionKeyId } from "../../src/secret/EncryptionKey.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import * as Migrations from "../../src/Migrations.js"
import { startChild } from "../support/children.js"
import { seedUser } from "../support/database.js"
import { tagOf } from "../support/refusals.js"
import {
  busySecret,
  enoughToKill,
  owner,
  type RotationOptions,
  type RotationReport,
  vaultOn,
  type WriterOptions,
  type WriterReport
} from "./rotationProtocol.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"

const secretCount = 100
const versionCount = 2000
const versionsOfEach = versionCount / secretCount
const oldKey = EncryptionKeyId.make("k1")

let directory = ""
let source = ""

const onFile = <A, E>(
  effect: Effect.Effect<A, E, SecretVault | SqlClient.SqlClient>,
  filePath: string,
  ...ids: ReadonlyArray<"k1" | "k2">
) => Effect.runPromise(Effect.provide(effect, vaultOn(filePath, ...ids)))

const valueOf = (secret: number, version: number) => `value ${version} of secret ${secret}`

/** 2,000 versions under the old key. */
const seed = Effect.gen(function* () {
  const vault = yield* SecretVault
  yield* Migrations.run
  yield* seedUser(owner)
  yield* Database.transaction(
    Effect.gen(function* () {
      yield* vault.create({ id: busySecret, ownerUserId: owner, name: busySecret, value: Redacted.make("first") })
      for (let secret = 0; secret < secretCount; secret++) {
        const secretId = `s${secret}`
        for (let version = 1; version <= versionsOfEach; version++) {
          const value = Redacted.make(valueOf(secret, version))
          yield* version === 1
            ? vault.create({ id: secretId, ownerUserId: owner, name: secretId, value })
            : vault.put({ ownerUserId: owner, secretId, value })
        }
      }
    })
  )
})

/** Fails the test unless every version, or one version of each secret, reveals its value. */
const reveal = (which: "all" | "some") =>
  Effect.gen(function* () {
    const vault = yield* SecretVault
    for (let secret = 0; secret < secretCount; secret++) {
      const some = 1 + (secret % versionsOfEach)
      const versions = which === "some" ? [some] : Array.from({ length: versionsOfEach }, (_, index) => index + 1)
      for (const version of versions) {
        const value = yield* vault.reveal({ ownerUserId: owner, secretId: `s${secret}`, version })
        expect(Redacted.value(value)).toBe(valueOf(secret, version))
      }
    }
  })

const countsOf = Effect.map(
  Effect.flatMap(SecretVault, ({ keyStatus }) => keyStatus),
  (keys) => Object.fromEntries(keys.map(({ key, versions }) => [`${key.id} ${key.status}`, versions]))
)

const copy = (name: string) => {
  const filePath = join(directory, `${name}.sqlite`)
  copyFileSync(source, filePath)
  return filePath
}

beforeAll(async () => {
  directory = makeTemporaryDirectory()
  source = join(directory, "source.sqlite")
  await onFile(seed, source, "k1")
})

afterAll(() => removeDirectory(directory))

/** Rotates in a child process until it is killed. Returns the last reported progress. */
const rotateAndDie = async (options: RotationOptions) => {
  const rotator = startChild<RotationReport>(new URL("./rotator.ts", import.meta.url), options, ({ count }) => {
    if (options.dieAt === "killed" && count === enoughToKill) rotator.signal("SIGKILL")
  })
  const { errors, reports, signal } = await rotator.ended
  expect({ signal, errors }).toEqual({ signal: "SIGKILL", errors: "" })
  return reports.at(-1)?.count ?? 0
}

describe("a rotation whose process is killed", () => {
  const moments: Readonly<Record<string, readonly [RotationOptions["dieAt"], number]>> = {
    "before the key is active": [{ commit: 1, moment: "before" }, 0],
    "when the key is active": [{ commit: 1, moment: "after" }, 0],
    "before a batch is committed": [{ commit: 12, moment: "before" }, 500],
    "after a batch is committed": [{ commit: 12, moment: "after" }, 550],
    "from outside": ["killed", enoughToKill]
  }
  for (const [name, [dieAt, done]] of Object.entries(moments)) {
    it(`${name} loses nothing, and continues where it stopped`, async () => {
      const filePath = copy(name)
      const told = await rotateAndDie({ filePath, dieAt })
      await onFile(
        Effect.gen(function* () {
          const vault = yield* SecretVault
          const sql = yield* SqlClient.SqlClient
          expect(yield* sql.unsafe("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
          const { "k2 active": moved = 0, ...others } = yield* countsOf
          expect(moved).toBe(done)
          expect(told).toBeLessThanOrEqual(done)
          yield* reveal("some")
          const left = versionCount + 1 - moved
          expect(Object.entries(others)).toEqual([
            [name === "before the key is active" ? "k1 active" : "k1 inactive", left]
          ])
          expect(yield* vault.rotateKeys()).toEqual({ keyId: "k2", total: left, rewrapped: left, skipped: 0 })
          expect(yield* countsOf).toEqual({ "k1 inactive": 0, "k2 active": versionCount + 1 })
          expect((yield* vault.retireKey(oldKey)).status).toBe("retired")
        }),
        filePath,
        "k2",
        "k1"
      )
      // No version uses the old key any more.
      await onFile(reveal("all"), filePath, "k2")
    })
  }
})

describe("a rotation beside a process that holds the old key only", () => {
  it("loses no value of either, and retires the key when no version uses it", async () => {
    const filePath = copy("beside")
    const options: WriterOptions = { filePath }
    const writer = startChild<WriterReport>(new URL("./oldWriter.ts", import.meta.url), options)
    const next = Effect.promise(() => {
      const known = writer.reports.length
      return writer.when(({ length }) => length > known)
    })
    try {
      await onFile(
        Effect.gen(function* () {
          const vault = yield* SecretVault
          // It writes between all batches and after the last one, so its key is kept.
          yield* next
          const rotations = yield* Stream.runCollect(Stream.tap(vault.streamRotation({ batchSize: 200 }), () => next))
          expect(rotations.length).toBeGreaterThan(9)
          expect(Chunk.toReadonlyArray(rotations).at(-1)).toMatchObject({ keyId: "k2", skipped: 0 })
          yield* next
          yield* next
          expect(yield* tagOf(vault.retireKey(oldKey))).toBe("EncryptionKeyInUse")
          writer.writeLine("stop")
          const mine = yield* vault.put({ ownerUserId: owner, secretId: busySecret, value: Redacted.make("mine") })
          yield* Effect.promise(() => writer.first("stopped"))
          yield* vault.rotateKeys()
          yield* vault.retireKey(oldKey)
          writer.writeLine("again")
          const { errors, reports } = yield* Effect.promise(() => writer.ended)

          expect(errors).toBe("")
          expect(reports.slice(-2)).toEqual([{ type: "stopped" }, { type: "refused", problem: "retired" }])
          const written = reports.flatMap((report) => (report.type === "wrote" ? [report] : []))
          expect(written.length).toBe(reports.length - 2)
          for (const { value, version } of written) {
            const shown = yield* vault.reveal({ ownerUserId: owner, secretId: busySecret, version })
            expect(Redacted.value(shown)).toBe(value)
          }
          expect(new Set([...written.map(({ version }) => version), mine.version]).size).toBe(written.length + 1)
          expect(yield* countsOf).toEqual({ "k1 retired": 0, "k2 active": versionCount + 1 + written.length + 1 })
          yield* reveal("all")
        }),
        filePath,
        "k2",
        "k1"
      )
    } finally {
      writer.signal("SIGKILL")
    }
  })
})
