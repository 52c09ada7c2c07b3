import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, Option, Stream } from "effect"
import { layerTest } from "@sealant/db/testing"
import { nextTurn } from "../../src/libsql/eventLoop.js"
import { inPieces, nextPageSize, pages, streamPageSize } from "../../src/sql/paging.js"

const busyFor = (millis: number) => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

/** The sizes of the pages of a stream, each of which keeps the event loop busy for `millisPerRow` times its size. */
const sizesOf = (count: number, millisPerRow: number) =>
  Effect.gen(function* () {
    const sizes: Array<number> = []
    const stream = pages(0, (place: number, size) =>
      Effect.sync(() => {
        sizes.push(size)
        busyFor(size * millisPerRow)
        return [[place], place + 1 < count ? Option.some(place + 1) : Option.none()] as const
      })
    )
    expect(Chunk.toReadonlyArray(yield* Stream.runCollect(stream))).toEqual(
      Array.from({ length: count }, (_, place) => place)
    )
    return sizes
  })

it.effect("a stream over short rows reads up to 100 rows at a time", () =>
  Effect.gen(function* () {
    expect((yield* sizesOf(6, 0)).slice(0, 2)).toEqual([10, 20])
    expect(Math.max(...(yield* sizesOf(6, 0)))).toBe(streamPageSize)
  })
)

it.effect("a stream over long rows reads fewer at a time, down to one", () =>
  Effect.gen(function* () {
    expect(yield* sizesOf(6, 15)).toEqual([10, 5, 2, 1, 1, 1])
  })
)

it.effect("a stream whose reads wait reads up to 100 rows at a time beside a busy fiber", () =>
  Effect.gen(function* () {
    yield* Effect.fork(
      Effect.forever(
        Effect.zipRight(
          nextTurn,
          Effect.sync(() => busyFor(15))
        )
      )
    )
    const sizes: Array<number> = []
    const stream = pages(0, (place: number, size) =>
      Effect.sync(() => {
        sizes.push(size)
        return [[place], place < 5 ? Option.some(place + 1) : Option.none()] as const
      }).pipe(Effect.zipLeft(Effect.all([nextTurn, nextTurn])))
    )
    yield* Stream.runDrain(stream)
    expect(sizes).toEqual([10, 20, 40, 80, 100, 100])
  })
)

it.effect("reads of a local database block the event loop, so that their duration is measured", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const sizes: Array<number> = []
    const longText = "x".repeat(30_000_000)
    // Each row is a copy of a long text, so that a page of more than a few rows takes more than 10 ms.
    const stream = pages(0, (place: number, size) =>
      Effect.map(
        Effect.sync(() => sizes.push(size)).pipe(
          Effect.zipRight(sql`
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${size})
            SELECT length(${longText} || i) AS length FROM n`)
        ),
        (rows) => [rows, place < 1 ? Option.some(place + 1) : Option.none()] as const
      )
    )
    yield* Stream.runDrain(stream)
    expect(sizes).toEqual([10, 5])
  }).pipe(Effect.provide(layerTest))
)

it("the next page is larger after a fast page, and smaller after a slow one", () => {
  expect([
    nextPageSize(10, 0),
    nextPageSize(80, 3),
    nextPageSize(40, 7),
    nextPageSize(40, 11),
    nextPageSize(1, 50)
  ]).toEqual([20, 100, 40, 20, 1])
})

it.effect("slow pieces become smaller, and their results keep the order", () =>
  Effect.gen(function* () {
    const rows = Array.from({ length: 20 }, (_, row) => row)
    const pieces = yield* inPieces(rows, (piece) => Effect.sync(() => (busyFor(piece.length * 15), piece)))
    expect(pieces.flat()).toEqual(rows)
    expect(pieces.map(({ length }) => length)).toEqual([10, 5, 2, 1, 1, 1])
    const weighed = yield* inPieces(
      [1, 1, 50, 1, 1, 1],
      (piece) => Effect.succeed(piece),
      1,
      (weight) => weight
    )
    expect(weighed).toEqual([[1], [1], [50], [1, 1, 1]])
    expect(yield* inPieces([], () => Effect.die("no rows"))).toEqual([])
  })
)
