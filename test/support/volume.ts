/**
 * The volume of tests whose cost grows with it: numbers of random runs, rows, kills or combinations. `npm test` runs a part,
 * `npm run test:all` everything.
 */

/** True in `npm run test:all`. */
export const runsAll = process.env["SEALANT_TESTS"] === "all"

/** Returns `all` in `npm run test:all`, otherwise `part`. */
export const volume = (all: number, part: number): number => (runsAll ? all : part)

/**
 * Returns all items in `npm run test:all`, otherwise the first, each `stride`-th after it, and the last. The choice is the
 * same in each run.
 */
export const sampled = <A>(items: ReadonlyArray<A>, stride: number): ReadonlyArray<A> =>
  runsAll ? items : items.filter((_, index) => index % stride === 0 || index === items.length - 1)

/**
 * Returns all items in `npm run test:all`, otherwise `count` of them. The next turn gets the next ones, so that a walk over
 * many places uses all items.
 */
export const inTurn = <A>(items: ReadonlyArray<A>, count: number, turn: number): ReadonlyArray<A> => {
  if (runsAll) return items
  const first = (turn * count) % items.length
  return items.filter((_, index) => (index - first + items.length) % items.length < count)
}
