/**
 * Generated ids: a prefix that names the entity, and a UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7),
 * which sorts by creation time.
 */
import { Clock, Effect } from "effect"
import { randomFillSync } from "node:crypto"
import { v7 } from "uuid"

const idBytes = 16
const pool = new Uint8Array(256 * idBytes)
let used = pool.length

/** Returns random bytes from a pool. A call of the system for each id costs more than the rest of the id. */
const randomBytes = (): Uint8Array => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += idBytes
  return pool.subarray(used - idBytes, used)
}

let lastMs = -1
let sequence = 0

/**
 * Returns a UUIDv7 of the time `now`, in epoch milliseconds. Each one of this process sorts after all earlier ones, also
 * if the clock was set back. `uuid` counts its ids only when it also draws the random bytes.
 */
export const newUuid = (now: number): string => {
  const random = randomBytes()
  if (now > lastMs) {
    lastMs = now
    // 31 bits, so that the 32-bit counter has room for the ids of this millisecond.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1
  } else sequence++
  return v7({ random, msecs: lastMs, seq: sequence })
}

/** Returns `id`, or generates one with the prefix and the time of the clock: `sbx_019a...`. */
export const idOrNew = <Id extends string>(
  id: Id | undefined,
  prefix: string,
  make: (id: string) => Id
): Effect.Effect<Id> =>
  id === undefined
    ? Effect.map(Clock.currentTimeMillis, (now) => make(`${prefix}_${newUuid(now)}`))
    : Effect.succeed(id)
