/**
 * Streams that read page by page. All streams over the database are built here.
 *
 * The engine answers synchronously, so a stream whose pages follow each other directly blocks the event loop until it
 * ends. The event loop turns between two pages; heartbeats, sockets and other fibers run then.
 */
import { Chunk, Effect, Option, Stream } from "effect"
import { monotonicMs } from "../libsql/backoff.js"
import { nextTurn } from "../libsql/eventLoop.js"
import { clearImmediate, setImmediate } from "../libsql/timers.js"

/** The largest number of rows that a stream reads at a time. */
export const streamPageSize = 100

/** The size of a first page: small, because rows can be megabytes long and their size is not yet known. */
const firstPageSize = 10

// A stream may block the event loop for up to 20 ms. A page that took more than half of that is followed by one of half
// its size, which leaves time for longer rows.
const slowMillis = 10
const fastMillis = 4

/**
 * Returns the size of the next page. `busyMillis` is the time for which a page of `size` rows blocked the event loop.
 */
export const nextPageSize = (size: number, busyMillis: number): number => {
  if (busyMillis > slowMillis) return Math.max(1, Math.floor(size / 2))
  return busyMillis < fastMillis ? Math.min(streamPageSize, size * 2) : size
}

/**
 * Runs `read` and measures the time for which it blocked the event loop. A read of a local database returns before the
 * event loop turns. If the loop turned, the read waited for a server or a commit. Such a read counts as 0 ms, because
 * its duration includes the wait and the work of other fibers.
 */
const measured = <A, E, R>(
  read: Effect.Effect<A, E, R>
): Effect.Effect<readonly [result: A, busyMillis: number], E, R> =>
  Effect.suspend(() => {
    let hasTurned = false
    const turn = setImmediate(() => {
      hasTurned = true
    })
    const began = monotonicMs()
    return read.pipe(
      Effect.map((result) => [result, hasTurned ? 0 : monotonicMs() - began] as const),
      Effect.ensuring(Effect.sync(() => clearImmediate(turn)))
    )
  })

/** One page, and the start of the next one. */
export type PageAt<A, Place> = readonly [items: ReadonlyArray<A>, next: Option.Option<Place>]

/** Streams the items of pages of up to `size` rows, from `start` to the page without a next place. */
export const pages = <Place, A, E, R>(
  start: Place,
  read: (place: Place, size: number) => Effect.Effect<PageAt<A, Place>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginateChunkEffect({ place: start, size: firstPageSize, turn: Effect.void }, ({ place, size, turn }) =>
    Effect.map(Effect.zipRight(turn, measured(read(place, size))), ([[items, next], busyMillis]) => [
      Chunk.unsafeFromArray(items),
      Option.map(next, (place) => ({ place, size: nextPageSize(size, busyMillis), turn: nextTurn }))
    ])
  )

/** Streams one item for each step, as `pages` does. */
export const steps = <Place, A, E, R>(
  start: Place,
  step: (place: Place) => Effect.Effect<readonly [item: A, next: Option.Option<Place>], E, R>
): Stream.Stream<A, E, R> => pages(start, (place) => Effect.map(step(place), ([item, next]) => [[item], next] as const))

/**
 * Processes rows in memory, a piece at a time, and returns the results in order. The event loop turns between two
 * pieces. The first piece has rows of a total weight of `firstSize`, but at least one row. The size of the next ones
 * follows the time for which a piece blocks the event loop, as that of pages does. A row weighs at least 1.
 */
export const inPieces = <Row, A, E, R>(
  rows: ReadonlyArray<Row>,
  work: (piece: ReadonlyArray<Row>) => Effect.Effect<A, E, R>,
  firstSize: number = firstPageSize,
  weightOf: (row: Row) => number = () => 1
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.gen(function* () {
    const results: Array<A> = []
    let size = firstSize
    for (let from = 0; from < rows.length; ) {
      if (from > 0) yield* nextTurn
      const piece: Array<Row> = []
      let weight = 0
      for (const row of rows.slice(from, from + Math.ceil(size))) {
        weight += weightOf(row)
        if (piece.length > 0 && weight > size) break
        piece.push(row)
      }
      const [result, busyMillis] = yield* measured(work(piece))
      results.push(result)
      from += piece.length
      size = nextPageSize(size, busyMillis)
    }
    return results
  })
