/**
 * Selection and states of encryption keys, from the key ring of this process and the table `encryption_keys`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option, Redacted } from "effect"
import { columnList, joinedRows, partColumnList, partOf, rowsOf } from "../sql/rows.js"
import { EncryptionKey, type KeyStatus } from "./EncryptionKey.js"
import { keyCheckOf, type WrappingKey } from "./envelope.js"
import { EncryptionKeyInUse, type EncryptionKeyProblem, EncryptionKeyUnavailable } from "./errors.js"
import { KeyRing, type KeyRingService } from "./KeyRing.js"
import { tokenColumns, tokenPrefix } from "./tokenFormat.js"

const columns = columnList(EncryptionKey)

// The active key and the keys of the key ring. ?1: their ids as JSON.
const knownText = `
  SELECT ${columns} FROM encryption_keys WHERE status = 'active'
  UNION
  SELECT ${columns} FROM encryption_keys WHERE id IN (SELECT value FROM json_each(?1))`

// ?1: id, ?2: status, ?3: key check, ?4: now. The row of an imported key has no key check until now.
const storeText = `
  INSERT INTO encryption_keys (id, status, key_check, created_at, activated_at)
  VALUES (?1, ?2, ?3, ?4, iif(?2 = 'active', ?4, NULL))
  ON CONFLICT (id) DO UPDATE SET
    key_check = coalesce(key_check, excluded.key_check), status = excluded.status,
    activated_at = iif(status = 'active', activated_at, coalesce(excluded.activated_at, activated_at))`

/**
 * Builds the number of tokens in `account` that are encrypted with the key. `id > ''` reads the table in the order of its
 * primary key; only operators call these statements.
 */
const tokensUnder = (keyId: string) => {
  const isUnder = tokenColumns.map((column) => `coalesce(substr(${column}, 1, length(p.prefix)) = p.prefix, 0)`)
  return `(
    SELECT coalesce(sum(${isUnder.join(" + ")}), 0) FROM (SELECT '${tokenPrefix}' || ${keyId} || ':' AS prefix) AS p
      CROSS JOIN account AS a WHERE a.id > '')`
}

// id > '': reads the primary key in order. The table has few rows.
const statusText = `
  SELECT ${partColumnList(EncryptionKey, "k")},
    (SELECT count(*) FROM secret_versions WHERE encryption_key_id = k.id) + ${tokensUnder("k.id")} AS versions
  FROM encryption_keys AS k WHERE k.id > '' ORDER BY k.id`

const retireText = `
  UPDATE encryption_keys SET status = 'retired', retired_at = ?2
  WHERE id = ?1 AND status = 'inactive'
    AND NOT EXISTS (SELECT 1 FROM secret_versions WHERE encryption_key_id = encryption_keys.id)
    AND ${tokensUnder("encryption_keys.id")} = 0
  RETURNING ${columns}`

/** Builds the error of a key that cannot be used. */
export const unavailable = (problem: EncryptionKeyProblem, keyId?: string) =>
  new EncryptionKeyUnavailable({ keyId: Option.fromNullable(keyId), problem })

/** Builds the operations on keys of `SecretVault`. */
export const makeKeys = Effect.flatMap(KeyRing, (ring) => makeKeysOf(ring))

/** Builds the operations on the keys of a ring. */
export const makeKeysOf = Effect.fnUntraced(function* ({ keys: ring }: KeyRingService) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* rowsOf(EncryptionKey)
  const joined = yield* joinedRows
  const keyOf = partOf(EncryptionKey, "k")

  // The bytes stay redacted until a data key is wrapped or unwrapped.
  const held = ring.map(({ id, key }) => ({ id, check: keyCheckOf({ id, bytes: Redacted.value(key) }), key }))
  const heldIds = JSON.stringify(held.map(({ id }) => id))
  type Held = (typeof held)[number]

  const wrapping = ({ id, key }: Held): WrappingKey => ({ id, bytes: Redacted.value(key) })

  const inRing = (id: string) => held.find((key) => key.id === id)

  const store = ({ check, id }: Held, status: "active" | "inactive") =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => sql.unsafe(storeText, [id, status, check, now]))

  /** Fails with `EncryptionKeyUnavailable` if the row records another key under this id. */
  const requireSame = (key: Held, row: EncryptionKey | undefined) =>
    row === undefined || Option.getOrElse(row.keyCheck, () => key.check) === key.check
      ? Effect.void
      : unavailable("different", key.id)

  /** Reads the rows of the active key and of the keys in the key ring. */
  const known = Effect.map(rows.findAll(sql.unsafe(knownText, [heldIds])), (all) => ({
    active: all.find(({ status }) => status === "active"),
    rowOf: (id: string) => all.find((row) => row.id === id)
  }))

  /**
   * Selects the key for encryption: the active key if this process holds it, else the first key of the key ring that is
   * not retired. The very first write activates the first key of its key ring.
   *
   * Call it in the transaction that writes, so that the key cannot be retired before the commit.
   */
  const toWriteWith = Effect.gen(function* () {
    const [first] = held
    if (first === undefined) return yield* unavailable("no-keys")
    const { active, rowOf } = yield* known
    const key =
      (active === undefined ? undefined : inRing(active.id)) ?? held.find(({ id }) => rowOf(id)?.status !== "retired")
    if (key === undefined) return yield* unavailable("retired", first.id)
    const row = rowOf(key.id)
    yield* requireSame(key, row)
    if (active === undefined) yield* store(key, "active")
    else if (row === undefined || Option.isNone(row.keyCheck)) {
      yield* store(key, row?.status === "active" ? "active" : "inactive")
    }
    return wrapping(key)
  })

  /** Activates the first key of the key ring, unless it is active. A key that was active before is refused. */
  const activate = Effect.gen(function* () {
    const [first] = held
    if (first === undefined) return yield* unavailable("no-keys")
    const { active, rowOf } = yield* known
    const row = rowOf(first.id)
    if (row?.status === "retired") return yield* unavailable("retired", first.id)
    yield* requireSame(first, row)
    if (active?.id === first.id && Option.isSome(active.keyCheck)) return wrapping(first)
    if (active !== undefined && active.id !== first.id) {
      // A process with an older configuration must not undo a later activation, whether or not it holds the active key.
      if (inRing(active.id) === undefined) return yield* unavailable("not-held", active.id)
      if (row !== undefined && Option.isSome(row.activatedAt)) return yield* unavailable("superseded", first.id)
      yield* sql`UPDATE encryption_keys SET status = 'inactive' WHERE id = ${active.id}`
    }
    yield* store(first, "active")
    return wrapping(first)
  }).pipe(sql.withTransaction)

  /** Returns the key `id` for decryption. Fails with `EncryptionKeyUnavailable` if this process does not hold it. */
  const toOpenWith = (id: string) => {
    const key = inRing(id)
    return key === undefined
      ? Effect.fail(held.length === 0 ? unavailable("no-keys") : unavailable("not-held", id))
      : Effect.succeed(wrapping(key))
  }

  const status = Effect.flatMap(
    joined(sql.unsafe(statusText)),
    Effect.forEach((row) =>
      Effect.map(
        keyOf(row),
        Option.map(
          (key): KeyStatus => ({
            key,
            versions: Number(row["versions"]),
            held: inRing(key.id) !== undefined
          })
        )
      )
    )
  ).pipe(Effect.map((keys) => keys.flatMap(Option.toArray)))

  const find = (id: string) => rows.findOne(sql`SELECT ${sql.literal(columns)} FROM encryption_keys WHERE id = ${id}`)

  /** Retires the key. Returns none if it does not exist. Fails with `EncryptionKeyInUse`. */
  const retire = (id: string) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const retired = yield* rows.findOne(sql.unsafe(retireText, [id, now]))
      if (Option.isSome(retired)) return retired
      const row = yield* find(id)
      if (Option.isNone(row) || row.value.status === "retired") return row
      return yield* new EncryptionKeyInUse({ keyId: id, reason: row.value.status === "active" ? "active" : "versions" })
    })

  const isActive = (id: string) =>
    Effect.map(
      find(id),
      Option.exists(({ status }) => status === "active")
    )

  return { activate, isActive, isEmpty: held.length === 0, retire, status, toOpenWith, toWriteWith }
})

/** The operations that `makeKeys` builds. */
export type Keys = Effect.Effect.Success<ReturnType<typeof makeKeysOf>>
