/**
 * A random number generator with a seed.
 */

export interface Random {
  /** A whole number below this limit. */
  readonly below: (limit: number) => number
  readonly chance: (probability: number) => boolean
  /** One of the values, if there are any. */
  readonly pick: <A>(values: ReadonlyArray<A>) => A | undefined
}

/** Mulberry32. */
export const randomOf = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { below, chance: (probability) => next() < probability, pick: (values) => values[below(values.length)] }
}
