import { expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { join } from "node:path"
import { Database, KeyRing, SecretVault } from "@sealant/db"
import { UserId } from "../../src/auth/User.js"
import { migratedFile, runHere, tamper } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

const keyOf = (id: string) => `${id}:${Buffer.alloc(32, id).toString("base64")}`
const value = "hunter2-in-a-secret"

/** A database with two secrets under the key `old`, and a version that the legacy deployment encrypted. */
const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  tamper(
    filePath,
    "INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'ada@example.com', 0, 0)"
  )
  yield* Effect.gen(function* () {
    const vault = yield* SecretVault
    for (const name of ["one", "two"])
      yield* vault.create({ ownerUserId: UserId.make("ada"), name, value: Redacted.make(value) })
  }).pipe(
    Effect.provide(
      Layer.provideMerge(SecretVault.layer, Layer.merge(KeyRing.layerConfig, Database.layer({ filePath })))
    ),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["SEALANT_ENCRYPTION_KEYS", keyOf("old")]])))
  )
  tamper(
    filePath,
    "INSERT INTO encryption_keys (id, status, created_at) VALUES ('legacy-key', 'inactive', 0)",
    "INSERT INTO secrets (id, owner_user_id, name, created_at, updated_at) VALUES ('carried', 'ada', 'carried', 0, 0)",
    "INSERT INTO secret_versions (id, secret_id, version, encrypted_value, encryption_key_id, created_at) VALUES ('carried-1', 'carried', 1, 'x', 'legacy-key', 0)"
  )
  return environment
})

/** The output of a command. It must not contain secrets. */
const run = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Effect.map(runHere(args, environment), (outcome) => {
    for (const hidden of [value, ...["old", "new"].map((id) => keyOf(id).split(":")[1] ?? "")])
      expect(JSON.stringify(outcome)).not.toContain(hidden)
    return outcome
  })

it.scopedLive("secrets rotate re-encrypts under another key, and status shows the keys", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const withBoth = { ...environment, SEALANT_ENCRYPTION_KEYS: `${keyOf("new")},${keyOf("old")}` }
    const status = yield* run(["secrets", "status"], withBoth)
    expect(status.stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["key", "status", "versions", "here"],
      ["legacy-key", "inactive", "1", "no"],
      ["old", "active", "2", "yes"],
      [""]
    ])
    expect(yield* run(["secrets", "rotate"], withBoth)).toEqual({
      code: 0,
      stderr: "",
      stdout:
        "rewrapped 2 values with key new\n" +
        "skipped 1 value: the key is not in SEALANT_ENCRYPTION_KEYS (see `sealant-db secrets status`), " +
        "or the predecessor encrypted it\n"
    })
    expect(JSON.parse((yield* run(["secrets", "rotate", "--json"], withBoth)).stdout)).toEqual({
      keyId: "new",
      total: 1,
      rewrapped: 0,
      skipped: 1
    })
    expect(JSON.parse((yield* run(["secrets", "status", "--json"], withBoth)).stdout)).toEqual([
      { key: "legacy-key", status: "inactive", held: false, versions: 1 },
      { key: "new", status: "active", held: true, versions: 2 },
      { key: "old", status: "inactive", held: true, versions: 0 }
    ])
  })
)

it.scopedLive("without the keys, status works and rotate fails", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    expect((yield* run(["secrets", "status"], environment)).stdout).toMatch(/^old +active +2 +no$/m)
    expect(yield* run(["secrets", "rotate"], environment)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "sealant-db: there is no encryption key (no-keys); set SEALANT_ENCRYPTION_KEYS, or pass one to KeyRing.layer\n"
    })
    const other = { ...environment, SEALANT_ENCRYPTION_KEYS: keyOf("new") }
    expect(yield* run(["secrets", "rotate"], other)).toEqual({
      code: 1,
      stdout: "",
      stderr: "sealant-db: encryption key old cannot be used (not-held)\n"
    })
    expect(yield* run(["secrets", "status"], { ...environment, SEALANT_ENCRYPTION_KEYS: "new:short" })).toMatchObject({
      code: 1,
      stderr: "sealant-db: SEALANT_ENCRYPTION_KEYS: key 1 must be 32 bytes in base64\n"
    })
    expect((yield* run(["secrets"], environment)).code).toBe(0)
  })
)

it.scopedLive("status reports a database without secrets", () =>
  Effect.gen(function* () {
    const environment = { DATABASE_FILE_PATH: join(yield* temporaryDirectory, "control-plane.sqlite") }
    yield* run(["migrate"], environment)
    expect((yield* run(["secrets", "status"], environment)).stdout).toBe("no encryption keys\n")
  })
)
