/**
 * Recognition of errors by their tag, and the names of defects. Two copies of this package in one process have two
 * classes of each error, and `instanceof` matches only one of them.
 */
import { Predicate } from "effect"

/** Builds a guard for the errors with a tag. */
export const isTaggedAs =
  <A extends { readonly _tag: string }>(tag: A["_tag"]) =>
  (error: unknown): error is A =>
    Predicate.isTagged(error, tag)

/** Returns the name of a defect for logs. Its message is left out, because it may contain values. */
export const kindOf = (defect: unknown): string => (defect instanceof Error ? defect.name : typeof defect)
