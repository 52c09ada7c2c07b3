/**
 * Rotation: data keys that are under other keys come under the active one, a batch at a time.
 *
 * What is to be done is read off the rows themselves, so that nothing is lost when it stops: each batch is one statement,
 * and touches a version only if its data key is still wrapped as it was read. It finds every version that was there when
 * it began, and ends, however fast others write.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Option, Stream } from "effect"
import { steps } from "../sql/paging.js"
import { EncryptionKeyId, type KeyRotation } from "./EncryptionKey.js"
import { rewrap, type WrappingKey } from "./envelope.js"
import { type Keys, unavailable } from "./keys.js"

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

/** A key, and the last of the versions that were under it when the rotation began. */
interface Source {
  readonly key: WrappingKey
  readonly last: string
}

// ?1: the active key. What is under no key was carried over.
const sourcesText = `
  SELECT id AS "keyId", (SELECT count(*) FROM secret_versions WHERE encryption_key_id = encryption_keys.id) AS versions,
    (SELECT max(id) FROM secret_versions WHERE encryption_key_id = encryption_keys.id) AS last
  FROM encryption_keys WHERE id > '' AND id <> ?1
  UNION ALL
  SELECT NULL, (SELECT count(*) FROM secret_versions WHERE encryption_key_id IS NULL), NULL`

// ?1: the key, ?2: the last id of the batch before, ?3: the last id of all, ?4: how many.
const batchText = `
  SELECT v.id, v.secret_id AS "secretId", v.version, v.wrapped_data_key AS "wrappedDataKey", s.owner_user_id AS "ownerUserId"
  FROM secret_versions AS v CROSS JOIN secrets AS s ON s.id = v.secret_id
  WHERE v.encryption_key_id = ?1 AND v.id > ?2 AND v.id <= ?3 ORDER BY v.id LIMIT ?4`

// ?1: the active key, ?2: the key before, ?3: the versions. Nothing comes under a key that is not active any more.
// +: each version is found by its id; left to itself, the planner goes through all versions of the key for each batch.
const rewrapText = `
  UPDATE secret_versions SET encryption_key_id = ?1, wrapped_data_key = batch.value ->> 'to'
  FROM json_each(?3) AS batch
  WHERE secret_versions.id = batch.value ->> 'id' AND +encryption_key_id = ?2
    AND wrapped_data_key = batch.value ->> 'from'
    AND EXISTS (SELECT 1 FROM encryption_keys WHERE encryption_keys.id = ?1 AND status = 'active')
  RETURNING secret_versions.id`

/** Where a rotation stands: which keys are left, how far it is in the first of them, and what it has done. */
interface State {
  readonly sources: ReadonlyArray<Source>
  readonly after: string
  readonly done: KeyRotation
}

export const makeRotation = (sql: SqlClient.SqlClient, keys: Keys) => {
  const begin = Effect.gen(function*() {
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
    return { active, state: { sources, after: "", done } }
  })

  /** How many of a batch were brought under the active key, and how many do not open. */
  const rewrapAll = (batch: ReadonlyArray<Wrapped>, from: WrappingKey, active: WrappingKey) =>
    Effect.gen(function*() {
      const rewrapped = batch.flatMap(({ id, ownerUserId, secretId, version, wrappedDataKey }) => {
        if (wrappedDataKey === null) return []
        const to = rewrap(wrappedDataKey, from, active, { ownerUserId, secretId, versionId: id, version })
        return Option.toArray(Option.map(to, (to) => ({ id, from: wrappedDataKey, to })))
      })
      const stored = rewrapped.length === 0 ? [] : yield* sql.unsafe(rewrapText, [active.id, from.id, JSON.stringify(rewrapped)])
      // Others may have changed all of them, or the active key.
      if (stored.length === 0 && rewrapped.length > 0 && !(yield* keys.isActive(active.id))) {
        return yield* unavailable("superseded", active.id)
      }
      return { rewrapped: stored.length, skipped: batch.length - rewrapped.length }
    })

  const step = (active: WrappingKey, batchSize: number) => ({ after, done, sources }: State) =>
    Effect.gen(function*() {
      const [from, ...others] = sources
      if (from === undefined) return [done, Option.none<State>()] as const
      const batch = yield* sql.unsafe<Wrapped>(batchText, [from.key.id, after, from.last, batchSize])
      const counts = yield* rewrapAll(batch, from.key, active)
      const now = { ...done, rewrapped: done.rewrapped + counts.rewrapped, skipped: done.skipped + counts.skipped }
      const last = batch.at(-1)
      const next: State = last !== undefined && batch.length === batchSize && last.id !== from.last
        ? { sources, after: last.id, done: now }
        : { sources: others, after: "", done: now }
      return [now, next.sources.length === 0 ? Option.none<State>() : Option.some(next)] as const
    })

  return { begin, step }
}

/** A stream of how far it has come, out of the first look and the steps, each as the caller wraps it. */
export const rotationStream = <E1, R1, E2, R2>(
  begin: Effect.Effect<{ readonly active: WrappingKey; readonly state: State }, E1, R1>,
  step: (active: WrappingKey, state: State) => Effect.Effect<readonly [KeyRotation, Option.Option<State>], E2, R2>
): Stream.Stream<KeyRotation, E1 | E2, R1 | R2> =>
  Stream.unwrap(Effect.map(begin, ({ active, state }) =>
    steps(state, (state: State) => step(active, state))))
