/**
 * Key rotation: rewraps data keys of other keys with the active key, in batches: first those of versions of secrets, then
 * those of tokens of accounts.
 *
 * The rows are the only state, so an interrupted rotation continues at the next call. Each batch is one statement,
 * which updates a version only if its wrapped data key is still the one that was read. A rotation covers all versions
 * that exist at its start, and ends even while others write.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option, Stream } from "effect"
import { steps } from "../sql/paging.js"
import { EncryptionKeyId, type KeyRotation } from "./EncryptionKey.js"
import { rewrap, type WrappingKey } from "./envelope.js"
import { type Keys, unavailable } from "./keys.js"
import { makeTokenRotation, type RemainingAccounts } from "./tokenRotation.js"

interface Wrapped {
  readonly id: string
  readonly ownerUserId: string
  readonly secretId: string
  readonly version: number
  readonly wrappedDataKey: string | null
}

interface Found {
  readonly keyId: string | null
  readonly versions: number
  readonly last: string | null
}

/** A key to rotate from, and the id of its last version at the start of the rotation. */
interface Source {
  readonly key: WrappingKey
  readonly last: string
}

// ?1: id of the active key. Versions without a key are imported ones.
const sourcesText = `
  SELECT id AS "keyId", (SELECT count(*) FROM secret_versions WHERE encryption_key_id = encryption_keys.id) AS versions,
    (SELECT max(id) FROM secret_versions WHERE encryption_key_id = encryption_keys.id) AS last
  FROM encryption_keys WHERE id > '' AND id <> ?1
  UNION ALL
  SELECT NULL, (SELECT count(*) FROM secret_versions WHERE encryption_key_id IS NULL), NULL`

// ?1: id of the key, ?2: last id of the previous batch, ?3: last id at the start, ?4: batch size.
const batchText = `
  SELECT v.id, v.secret_id AS "secretId", v.version, v.wrapped_data_key AS "wrappedDataKey",
    s.owner_user_id AS "ownerUserId"
  FROM secret_versions AS v CROSS JOIN secrets AS s ON s.id = v.secret_id
  WHERE v.encryption_key_id = ?1 AND v.id > ?2 AND v.id <= ?3 ORDER BY v.id LIMIT ?4`

// ?1: id of the active key, ?2: id of the previous key, ?3: batch as JSON. Updates no row if ?1 is not active any more.
// The + disables the index on encryption_key_id, so that the planner finds each version by its id. Otherwise it scans
// all versions of the key for each batch (https://www.sqlite.org/optoverview.html).
const rewrapText = `
  UPDATE secret_versions SET encryption_key_id = ?1, wrapped_data_key = batch.value ->> 'to'
  FROM json_each(?3) AS batch
  WHERE secret_versions.id = batch.value ->> 'id' AND +encryption_key_id = ?2
    AND wrapped_data_key = batch.value ->> 'from'
    AND EXISTS (SELECT 1 FROM encryption_keys WHERE encryption_keys.id = ?1 AND status = 'active')
  RETURNING secret_versions.id`

/** The state of a rotation. */
interface State {
  /** The keys that are left. */
  readonly sources: ReadonlyArray<Source>
  /** The last version of the first key that was processed. */
  readonly after: string
  /** The accounts whose tokens are left, after all versions. */
  readonly accounts: Option.Option<RemainingAccounts>
  readonly done: KeyRotation
}

/** Builds the first step of a rotation, `begin`, and the step for one batch. */
export const makeRotation = (sql: SqlClient.SqlClient, keys: Keys) => {
  const tokens = makeTokenRotation(sql, keys)

  const begin = Effect.gen(function* () {
    const active = yield* keys.activate
    const found = yield* sql.unsafe<Found>(sourcesText, [active.id])
    const sources: Array<Source> = []
    const done = { keyId: EncryptionKeyId.make(active.id), total: 0, rewrapped: 0, skipped: 0 }
    for (const { keyId, last, versions } of found) {
      done.total += versions
      if (versions === 0) continue
      const key = keyId === null ? Option.none() : yield* Effect.option(keys.toOpenWith(keyId))
      if (Option.isSome(key) && last !== null) sources.push({ key: key.value, last })
      else done.skipped += versions
    }
    const { remaining: accounts, tokens: count } = yield* tokens.begin(active)
    return { active, state: { sources, after: "", accounts, done: { ...done, total: done.total + count } } }
  })

  /** Rewraps a batch. Returns the number of updated versions, and of those whose data key cannot be unwrapped. */
  const rewrapAll = (batch: ReadonlyArray<Wrapped>, from: WrappingKey, active: WrappingKey) =>
    Effect.gen(function* () {
      const rewrapped = batch.flatMap(({ id, ownerUserId, secretId, version, wrappedDataKey }) => {
        if (wrappedDataKey === null) return []
        const to = rewrap(wrappedDataKey, from, active, { ownerUserId, secretId, versionId: id, version })
        return Option.toArray(Option.map(to, (to) => ({ id, from: wrappedDataKey, to })))
      })
      const stored =
        rewrapped.length === 0 ? [] : yield* sql.unsafe(rewrapText, [active.id, from.id, JSON.stringify(rewrapped)])
      // Either concurrent writers updated all versions of the batch, or another key was activated.
      if (stored.length === 0 && rewrapped.length > 0 && !(yield* keys.isActive(active.id))) {
        return yield* unavailable("superseded", active.id)
      }
      return { rewrapped: stored.length, skipped: batch.length - rewrapped.length }
    })

  const step =
    (active: WrappingKey, batchSize: number) =>
    ({ accounts, after, done, sources }: State) =>
      Effect.gen(function* () {
        const [from, ...others] = sources
        if (from === undefined) {
          if (Option.isNone(accounts)) return [done, Option.none<State>()] as const
          const { remaining, rewrapped, skipped } = yield* tokens.step(active, batchSize, accounts.value)
          const now = { ...done, rewrapped: done.rewrapped + rewrapped, skipped: done.skipped + skipped }
          const next: State = { sources, after: "", accounts: remaining, done: now }
          return [now, Option.isNone(remaining) ? Option.none<State>() : Option.some(next)] as const
        }
        const batch = yield* sql.unsafe<Wrapped>(batchText, [from.key.id, after, from.last, batchSize])
        const counts = yield* rewrapAll(batch, from.key, active)
        const now = { ...done, rewrapped: done.rewrapped + counts.rewrapped, skipped: done.skipped + counts.skipped }
        const last = batch.at(-1)
        const next: State =
          last !== undefined && batch.length === batchSize && last.id !== from.last
            ? { sources, after: last.id, accounts, done: now }
            : { sources: others, after: "", accounts, done: now }
        const isOver = next.sources.length === 0 && Option.isNone(accounts)
        return [now, isOver ? Option.none<State>() : Option.some(next)] as const
      })

  return { begin, step }
}

/** Builds the stream of the progress from `begin` and `step`, which the caller has wrapped in spans. */
export const rotationStream = <E1, R1, E2, R2>(
  begin: Effect.Effect<{ readonly active: WrappingKey; readonly state: State }, E1, R1>,
  step: (active: WrappingKey, state: State) => Effect.Effect<readonly [KeyRotation, Option.Option<State>], E2, R2>
): Stream.Stream<KeyRotation, E1 | E2, R1 | R2> =>
  Stream.unwrap(Effect.map(begin, ({ active, state }) => steps(state, (state: State) => step(active, state))))
