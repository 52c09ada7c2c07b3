/**
 * Recognition of errors by their tag. Two copies of this package in one process have two classes of each error, and
 * `instanceof` matches only one of them.
 */
import { Predicate } from "effect"

/** Builds a guard for the errors with a tag. */
export const isTaggedAs =
  <A extends { readonly _tag: string }>(tag: A["_tag"]) =>
  (error: unknown): error is A =>
    Predicate.isTagged(error, tag)
