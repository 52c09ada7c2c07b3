/**
 * Streams that read page by page. Every stream over the database is made here.
 *
 * The engine answers synchronously, so a stream whose pages follow each other directly blocks the event loop until it
 * ends. The event loop turns between two pages; heartbeats, sockets and other fibers run then.
 */
import { Array, Chunk, Effect, Option, Stream } from "effect"
import { nextTurn } from "./eventLoop.js"

/** The number of rows that a stream reads at a time: decoding a page of the widest rows takes a few milliseconds. */
export const streamPageSize = 100

/** One page, and the start of the next one. */
export type PageAt<A, Place> = readonly [items: ReadonlyArray<A>, next: Option.Option<Place>]

/** Reads pages from `start` on until one has no next place. */
export const pages = <Place, A, E, R>(
  start: Place,
  read: (place: Place) => Effect.Effect<PageAt<A, Place>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginateChunkEffect({ place: start, turn: Effect.void }, ({ place, turn }) =>
    Effect.map(Effect.zipRight(turn, read(place)), ([items, next]) => [
      Chunk.unsafeFromArray(items),
      Option.map(next, (place) => ({ place, turn: nextTurn }))
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
