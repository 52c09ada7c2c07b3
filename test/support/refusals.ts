/**
 * Helpers for expected failures.
 */
import { Effect } from "effect"
import type { LeaseLostReason } from "../../src/Errors.js"

/** The error of an effect. A success is replaced by a text, because vitest takes very long to print some rows. */
export const refusalOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, unknown, R> =>
  Effect.flip(Effect.as(effect, "it was not refused"))

/** The tag of the error of an effect, or `ok`. */
export const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: (error) => error._tag })

/** The reason of a `LeaseLost`, the tag of another error, or `ok`. */
export const lossOf = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<LeaseLostReason | string, never, R> =>
  Effect.match(effect, {
    onSuccess: () => "ok",
    onFailure: (error) => (error._tag === "LeaseLost" && "reason" in error ? String(error.reason) : error._tag)
  })

/** Names that every table rejects. */
export const badNames = { empty: "", huge: "x".repeat(1_000_000), nul: "a\0b", surrogate: "a\uD800b" }
