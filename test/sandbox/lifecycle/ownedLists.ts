/**
 * The checks that paged lists of one sandbox share. Apart from the helpers, which programs load without vitest.
 */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import { ada, eve, launch, refusalOf, tagOf } from "./support.js"

/** Expects that a paged list of one sandbox reports other owners and missing ids as `NotFound`, and checks its page fields. */
export const expectOwnedList = <A, E extends { readonly _tag: string }>(
  list: (request: {
    readonly ownerUserId: string
    readonly id: string
    readonly cursor?: string
    readonly limit?: number
  }) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { id } = (yield* launch()).sandbox
    for (const request of [
      { ownerUserId: eve, id },
      { ownerUserId: ada, id: "gone" }
    ]) {
      const missing = { _tag: "NotFound", entity: "Sandbox", id: request.id }
      expect(yield* refusalOf(list(request))).toMatchObject(missing)
    }
    expect(yield* tagOf(list({ ownerUserId: ada, id, cursor: "?" }))).toBe("InvalidInput")
    expect(yield* tagOf(list({ ownerUserId: ada, id, limit: 0 }))).toBe("InvalidInput")
  })
