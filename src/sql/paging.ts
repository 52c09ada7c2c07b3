/**
 * Streams that read page by page. Every stream over the database is made here.
 *
 * The engine answers synchronously, so a stream whose pages follow each other directly blocks the event loop until it
 * ends. The event loop turns between two pages; heartbeats, sockets and other fibers run then.
 */
import { Array, Chunk, Effect, Option, Stream } from "effect"
import { performance } from "node:perf_hooks"
import { nextTurn } from "../libsql/eventLoop.js"

/** The largest number of rows that a stream reads at a time. */
export const streamPageSize = 100

/** The size of a first page. Rows can be megabytes long, and nothing is known about them yet. */
const firstPageSize = 10

// A stream may block the event loop for up to 20 ms. Pages that took half of that are halved, so that a page of longer rows stays below it.
const slowMillis = 10
const fastMillis = 4

/** The size of the next page, by the time for which the event loop was busy with one of `size` rows. */
export const nextPageSize = (size: number, busyMillis: number): number => {
  if (busyMillis > slowMillis) return Math.max(1, Math.floor(size / 2))
  return busyMillis < fastMillis ? Math.min(streamPageSize, size * 2) : size
}

/** Runs `read`, and measures for how long the event loop was busy meanwhile. Waiting for a server is not included. */
const measured = <A, E, R>(read: Effect.Effect<A, E, R>): Effect.Effect<readonly [result: A, busyMillis: number], E, R> =>
  Effect.suspend(() => {
    const before = performance.eventLoopUtilization()
    return Effect.map(read, (result) => [result, performance.eventLoopUtilization(before).active] as const)
  })

/** One page, and the start of the next one. */
export type PageAt<A, Place> = readonly [items: ReadonlyArray<A>, next: Option.Option<Place>]

/** Reads pages of up to `size` rows from `start` on until one has no next place. */
export const pages = <Place, A, E, R>(
  start: Place,
  read: (place: Place, size: number) => Effect.Effect<PageAt<A, Place>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginateChunkEffect({ place: start, size: firstPageSize, turn: Effect.void }, ({ place, size, turn }) =>
    Effect.map(Effect.zipRight(turn, measured(read(place, size))), ([[items, next], busyMillis]) => [
      Chunk.unsafeFromArray(items),
      Option.map(next, (place) => ({ place, size: nextPageSize(size, busyMillis), turn: nextTurn }))
    ]))

/** `pages` with one item for each step. */
export const steps = <Place, A, E, R>(
  start: Place,
  step: (place: Place) => Effect.Effect<readonly [item: A, next: Option.Option<Place>], E, R>
): Stream.Stream<A, E, R> => pages(start, (place) => Effect.map(step(place), ([item, next]) => [[item], next] as const))

/** Processes rows in memory, a piece at a time. The event loop turns between two pieces. */
export const inPieces = <Row, A, E, R>(
  rows: ReadonlyArray<Row>,
  work: (piece: ReadonlyArray<Row>) => Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.forEach(Array.chunksOf(rows, streamPageSize), (piece, index) => Effect.zipRight(index === 0 ? Effect.void : nextTurn, work(piece)))
