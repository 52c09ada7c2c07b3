/**
 * What is refused, and by what.
 */
import { Effect } from "effect"

/** The error that the effect fails with. What it gives instead is not shown: vitest does not get to the end of printing a row. */
export const refusalOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, unknown, R> =>
  Effect.flip(Effect.as(effect, "it was not refused"))

/** The tag of the error that the effect fails with, or `ok`. */
export const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: (error) => error._tag })

/** Names that no table takes. */
export const badNames = { empty: "", huge: "x".repeat(1_000_000), nul: "a\0b", surrogate: "a\uD800b" }
