import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Layer, Option, TestClock } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { parsePublicKey } from "../../src/secret/publicKey.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { SshKeyId } from "../../src/secret/SshKey.js"
import { SshKeyRepo } from "../../src/secret/SshKeyRepo.js"
import { seedProfileRevision } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { publicKeys, weakKeys } from "./publicKeys.js"
import {
  ada,
  badNames,
  eve,
  layers as vaultLayers,
  pages,
  redacted,
  refusalOf,
  type Services,
  shell,
  tagOf
} from "./support.js"

const layers = {
  memory: Layer.provideMerge(SshKeyRepo.layer, vaultLayers.memory),
  file: Layer.provideMerge(SshKeyRepo.layer, vaultLayers.file)
}

const own = { name: "laptop", ownerUserId: ada, publicKey: publicKeys.ed25519.line }
const gone = SshKeyId.make("gone")

const secret = (name: string, ownerUserId = ada) =>
  Effect.flatMap(SecretVault, (vault) => vault.create({ name, ownerUserId, value: redacted(name) }))

/** Another Ed25519 key each time. */
const freshKey = () => {
  const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" })
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from("ssh-ed25519")), field(Buffer.from(x, "base64url"))]).toString("base64")}`
}

const lineOf = (text: string) => Either.map(parsePublicKey(text), ({ line }) => line)

/** The contract of `SshKeyRepo`. */
const suite = (name: string, layer: Layer.Layer<Services | SshKeyRepo>) =>
  describe(`SshKeyRepo (${name})`, () => {
    it.effect("stores a key with its fingerprint, and finds it for its owner only", () =>
      Effect.gen(function* () {
        const repo = yield* SshKeyRepo
        yield* TestClock.setTime(1000)
        const [privateKey, passphrase] = [yield* secret("KEY"), yield* secret("PASSPHRASE")]
        const small = yield* repo.create(own)
        expect(small.id).toMatch(/^ssh_/)
        expect(small).toMatchObject({
          ...own,
          fingerprint: publicKeys.ed25519.fingerprint,
          privateKeySecretId: Option.none(),
          passphraseSecretId: Option.none(),
          archivedAt: Option.none()
        })
        expect([small.createdAt.epochMillis, small.updatedAt.epochMillis]).toEqual([1000, 1000])
        const full = yield* repo.create({
          ...own,
          id: "given",
          publicKey: publicKeys.rsa2048.line,
          privateKeySecretId: privateKey.id,
          passphraseSecretId: passphrase.id
        })
        expect(full).toMatchObject({
          id: "given",
          privateKeySecretId: Option.some(privateKey.id),
          passphraseSecretId: Option.some(passphrase.id)
        })
        // Another owner may have the same key.
        const hers = yield* repo.create({ ...own, ownerUserId: eve })
        for (const key of [small, full, hers]) {
          const { fingerprint, id, ownerUserId } = key
          expect(yield* repo.findById(id)).toEqual(Option.some(key))
          expect(yield* repo.getById(id)).toEqual(key)
          expect(yield* repo.getById({ ownerUserId, id })).toEqual(key)
          expect(yield* repo.findByFingerprint({ ownerUserId, fingerprint })).toEqual(Option.some(key))
        }
        expect(yield* refusalOf(repo.getById({ ownerUserId: eve, id: small.id }))).toMatchObject({
          _tag: "NotFound",
          entity: "SshKey",
          id: small.id
        })
        expect(yield* repo.findByFingerprint({ ownerUserId: eve, fingerprint: full.fingerprint })).toEqual(
          Option.none()
        )
        for (const bad of Object.values(badNames)) {
          expect(yield* tagOf(repo.findByFingerprint({ ownerUserId: ada, fingerprint: bad }))).toBe("InvalidInput")
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* tagOf(repo.getById(gone))).toBe("NotFound")
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input for a new key", () =>
      Effect.gen(function* () {
        const repo = yield* SshKeyRepo
        const { id } = yield* repo.create(own)
        const again = { ...own, publicKey: `${own.publicKey} again` }
        expect(yield* refusalOf(repo.create(again))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "ssh_keys.owner_user_id, ssh_keys.fingerprint"
        })
        yield* repo.archive(id)
        expect(yield* tagOf(repo.create(again))).toBe("AlreadyExists")
        const other = { ...own, publicKey: freshKey() }
        expect(yield* refusalOf(repo.create({ ...other, id }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "ssh_keys.id"
        })

        // A secret of another owner is reported as NotFound.
        const [mine, hers] = [yield* secret("MINE"), yield* secret("HERS", eve)]
        expect(yield* refusalOf(repo.create({ ...other, ownerUserId: "nobody" }))).toMatchObject({
          _tag: "ReferenceNotFound",
          reference: "ownerUserId"
        })
        for (const field of ["privateKeySecretId", "passphraseSecretId"] as const) {
          for (const missing of ["gone", hers.id]) {
            const both = { ...other, privateKeySecretId: mine.id, passphraseSecretId: mine.id, [field]: missing }
            expect(yield* refusalOf(repo.create(both))).toMatchObject({ _tag: "ReferenceNotFound", reference: field })
          }
        }
        for (const bad of Object.values(badNames)) {
          for (const field of ["name", "id", "ownerUserId", "privateKeySecretId", "publicKey"] as const) {
            const error = yield* refusalOf(repo.create({ ...other, [field]: bad }))
            expect(error, field).toMatchObject({
              _tag: "InvalidInput",
              issues: [expect.stringMatching(new RegExp(`^${field}: `))]
            })
            if (bad !== "") expect(JSON.stringify(error)).not.toContain(bad)
          }
        }
        expect((yield* repo.list({ ownerUserId: ada, includeArchived: true })).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first, renames, archives and unarchives", () =>
      Effect.gen(function* () {
        const repo = yield* SshKeyRepo
        const names: Array<string> = []
        for (let index = 0; index < 5; index++) {
          names.unshift((yield* repo.create({ ...own, name: `k${index}`, publicKey: freshKey() })).name)
          if (index % 2 === 0) yield* TestClock.adjust("1 second")
        }
        const { id } = yield* repo.create({ ...own, ownerUserId: eve })
        const later = Effect.suspend(() => repo.create({ ...own, publicKey: freshKey() }))
        const list = (request: object) => repo.list({ ownerUserId: ada, ...request })
        expect((yield* pages(list, 2)).map((key) => key.name)).toEqual(names)
        expect((yield* pages(list, 2, Effect.orDie(later))).map((key) => key.name)).toEqual(names)

        yield* TestClock.adjust("1 second")
        expect(yield* repo.rename({ id, name: "new" })).toMatchObject({ name: "new", updatedAt: { epochMillis: 4000 } })
        for (const bad of Object.values(badNames))
          expect(yield* tagOf(repo.rename({ id, name: bad }))).toBe("InvalidInput")
        const archived = yield* repo.archive(id)
        yield* TestClock.adjust("1 second")
        expect(yield* repo.archive(id)).toEqual(archived)
        expect((yield* repo.list({ ownerUserId: eve })).items).toEqual([])
        expect((yield* repo.list({ ownerUserId: eve, includeArchived: true })).items).toEqual([archived])
        const restored = yield* repo.unarchive(id)
        expect(restored).toMatchObject({ archivedAt: Option.none(), updatedAt: { epochMillis: 5000 } })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.unarchive(id)).toEqual(restored)
        for (const missing of [repo.archive(gone), repo.unarchive(gone), repo.rename({ id: gone, name: "x" })]) {
          expect(yield* tagOf<unknown, { readonly _tag: string }, never>(missing)).toBe("NotFound")
        }
        expect(yield* tagOf(repo.list({ ownerUserId: undefined as unknown as string }))).toBe("InvalidInput")
        for (const bad of [{ cursor: "x" }, { limit: 0 }, { limit: Number.NaN }])
          expect(yield* tagOf(list(bad))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the database rejects references to rows of another owner", () =>
      Effect.gen(function* () {
        const repo = yield* SshKeyRepo
        const mine = { secret: yield* secret("MINE"), key: yield* repo.create(own) }
        const hers = { secret: yield* secret("HERS", eve), key: yield* repo.create({ ...own, ownerUserId: eve }) }
        yield* seedProfileRevision("ada-rev", ada)
        yield* seedProfileRevision("eve-rev", eve)
        const refused = (text: string, ...params: ReadonlyArray<unknown>) =>
          Effect.map(Effect.isFailure(shell(text, ...params)), (failed) => expect(failed, text).toBe(true))
        const sshKey = `INSERT INTO ssh_keys (id, owner_user_id, name, public_key, %, fingerprint, created_at, updated_at)
          VALUES ('x', 'ada', 'x', 'x', ?, 'x', 0, 0)`
        for (const column of ["private_key_secret_id", "passphrase_secret_id"]) {
          yield* refused(sshKey.replace("%", column), hers.secret.id)
          yield* refused(sshKey.replace("%", column), "gone")
          yield* refused(`UPDATE ssh_keys SET ${column} = ? WHERE id = ?`, hers.secret.id, mine.key.id)
          yield* shell(`UPDATE ssh_keys SET ${column} = ? WHERE id = ?`, mine.secret.id, mine.key.id)
        }
        yield* refused("UPDATE ssh_keys SET owner_user_id = 'eve' WHERE id = ?", mine.key.id)
        yield* refused("UPDATE secrets SET owner_user_id = 'eve' WHERE id = ?", mine.secret.id)

        const binding = `INSERT INTO profile_secret_bindings (id, profile_revision_id, target_key, secret_id, secret_version_id, created_at)
          VALUES (?1, 'ada-rev', ?1, ?2, (SELECT id FROM secret_versions WHERE secret_id = ?3), 0)`
        yield* refused(binding, "b1", hers.secret.id, "no version")
        yield* refused(binding, "b2", hers.secret.id, hers.secret.id)
        yield* refused(binding, "b3", mine.secret.id, hers.secret.id)
        yield* shell(binding, "b4", mine.secret.id, mine.secret.id)
        yield* refused("UPDATE profile_secret_bindings SET secret_id = ?", hers.secret.id)
        const login =
          "INSERT INTO profile_ssh_key_bindings (profile_revision_id, ssh_key_id, created_at) VALUES ('ada-rev', ?, 0)"
        yield* refused(login, hers.key.id)
        yield* shell(login, mine.key.id)
        yield* refused("UPDATE profile_ssh_key_bindings SET ssh_key_id = ?", hers.key.id)
        yield* refused("UPDATE profile_ssh_key_bindings SET profile_revision_id = 'eve-rev'")

        // Both owners go, with all of it.
        yield* shell("DELETE FROM user")
        expect(yield* shell("SELECT count(*) AS count FROM ssh_keys")).toEqual([{ count: 0 }])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("SshKeyRepo", () => {
  it.effect("uses an index in every statement", () =>
    Effect.gen(function* () {
      const repo = yield* SshKeyRepo
      const hers = yield* secret("HERS", eve)
      const methods: Record<keyof typeof repo, Effect.Effect<unknown, unknown>> = {
        create: Effect.all([
          repo.create(own),
          Effect.ignore(repo.create({ ...own, privateKeySecretId: hers.id, publicKey: freshKey() }))
        ]),
        findById: repo.findById(gone),
        getById: Effect.forEach([gone, { ownerUserId: ada, id: gone }], (by) => Effect.ignore(repo.getById(by))),
        findByFingerprint: repo.findByFingerprint({ ownerUserId: ada, fingerprint: "x" }),
        list: Effect.all([repo.list({ ownerUserId: ada }), repo.list({ ownerUserId: ada, includeArchived: true })]),
        rename: repo.rename({ id: gone, name: "x" }),
        archive: repo.archive(gone),
        unarchive: repo.unarchive(gone)
      }
      for (const [method, effect] of Object.entries(methods))
        expect(yield* planIssues(Effect.ignore(effect)), method).toEqual([])
    }).pipe(Effect.provide(layers.file))
  )
})

describe("public keys", () => {
  it("are read as ssh-keygen reads them", () => {
    for (const [type, { fingerprint, line }] of Object.entries(publicKeys)) {
      expect(parsePublicKey(line), type).toEqual(Either.right({ line, fingerprint }))
      const bare = line.split(" ").slice(0, 2).join(" ")
      expect(parsePublicKey(`\n  ${bare.replace(" ", " \t ")}  \r\n`)).toEqual(
        Either.right({ line: bare, fingerprint })
      )
      expect(lineOf(`${bare}  a comment, with "quotes" and 🐳 `)).toEqual(
        Either.right(`${bare} a comment, with "quotes" and 🐳`)
      )
    }
  })

  it("are rejected when they are weak, truncated, altered or of another kind", () => {
    const { line } = publicKeys.ed25519
    const [type = "", base64 = ""] = line.split(" ")
    const shape = "must be an OpenSSH public key in one line: type, base64, comment"
    const algorithm = "must be an Ed25519, ECDSA or RSA key"
    const blob = Buffer.from(base64, "base64")
    const ofBytes = (bytes: Buffer, as = type) => `${as} ${bytes.toString("base64")}`
    const evenExponent = Buffer.from(publicKeys.rsa2048.line.split(" ")[1] ?? "", "base64")
    evenExponent.set([1, 0, 0], 15)
    // A point that is on no curve.
    const offCurve = Buffer.from(publicKeys.nistp256.line.split(" ")[1] ?? "", "base64")
    offCurve.writeUInt8(offCurve.readUInt8(offCurve.length - 1) ^ 1, offCurve.length - 1)
    const cases: ReadonlyArray<readonly [string, string]> = [
      [weakKeys.rsa1024, "must have 2048 to 16384 bits and an odd exponent above 1"],
      [ofBytes(evenExponent, "ssh-rsa"), "must have 2048 to 16384 bits and an odd exponent above 1"],
      [weakKeys.dsa, algorithm],
      [`sk-ssh-ed25519@openssh.com ${base64}`, algorithm],
      [`ssh-ed25519-cert-v01@openssh.com ${base64}`, algorithm],
      ["", shape],
      [base64, shape],
      [type, shape],
      [`command="sh" ${line}`, shape],
      [`${line}\n${line}`, shape],
      [`${line}\nssh`, shape],
      [`${line} \u001b[2J`, shape],
      [`${line} a\u2028b`, shape],
      [`${line} a\0b`, shape],
      [`${line} a\uD800b`, shape],
      [`${line} ${"x".repeat(20_000)}`, shape],
      [`${type} ${base64.slice(0, -4)}`, shape],
      [`${type} ${base64}AAAA`, shape],
      [`${type} ${base64.slice(0, -1)}`, shape],
      [`ssh-rsa ${base64}`, shape],
      [ofBytes(blob.subarray(0, -1)), shape],
      [ofBytes(Buffer.concat([blob, Buffer.alloc(4)])), shape],
      [ofBytes(blob.subarray(0, 19)), shape],
      [ofBytes(Buffer.alloc(0)), shape],
      [ofBytes(offCurve, "ecdsa-sha2-nistp256"), shape],
      [publicKeys.nistp256.line.replace("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"), shape]
    ]
    for (const [text, rule] of cases) expect(parsePublicKey(text), text.slice(0, 60)).toEqual(Either.left(rule))
  })

  it("are rejected when they are private keys", () => {
    const { privateKey } = generateKeyPairSync("ed25519")
    const pem = String(privateKey.export({ format: "pem", type: "pkcs8" }))
    const openSsh = pem.replaceAll("PRIVATE KEY", "OPENSSH PRIVATE KEY")
    const putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none"
    const { d = "", x = "" } = privateKey.export({ format: "jwk" })
    const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
    const [seed, point] = [Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]
    // The agent format: the fields of the private key after the type.
    const wire = Buffer.concat([field(Buffer.from("ssh-ed25519")), field(point), field(Buffer.concat([seed, point]))])
    const oneLine = `ssh-ed25519 ${wire.toString("base64")}`
    expect(parsePublicKey(oneLine)).toEqual(Either.left(expect.stringMatching(/^must be an OpenSSH public key/)))
    for (const text of [
      pem,
      openSsh,
      putty,
      `${publicKeys.ed25519.line} ${pem}`,
      `${publicKeys.ed25519.line}\n${openSsh}`
    ]) {
      const parsed = parsePublicKey(text)
      expect(parsed).toEqual(Either.left(expect.stringMatching(/^is a private key/)))
      expect(JSON.stringify(parsed)).not.toContain(text.slice(40, 60))
    }
  })
})
