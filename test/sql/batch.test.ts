import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readByIds } from "../../src/sql/batch.js"

it.effect("readByIds reads up to 100 ids in one statement, and more ids in several", () =>
  Effect.gen(function* () {
    const sizesOf = (count: number) =>
      Effect.gen(function* () {
        const ids = Array.from({ length: count }, (_, id) => String(id))
        const sizes: Array<number> = []
        const found = yield* readByIds(ids, (batch) =>
          Effect.sync(() => {
            const piece: ReadonlyArray<unknown> = JSON.parse(batch)
            sizes.push(piece.length)
            return piece
          })
        )
        expect(found).toEqual(ids)
        return sizes
      })
    expect(yield* sizesOf(1)).toEqual([1])
    expect(yield* sizesOf(100)).toEqual([100])
    expect(yield* sizesOf(250)).toEqual([100, 100, 50])
  })
)
