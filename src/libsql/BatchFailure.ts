import { Predicate } from "effect"

/** The failure of one of several statements. The statements after it did not run. */
export class BatchFailure extends Error {
  readonly _tag = "BatchFailure"
  /** `index` is the position of the failed statement, from 0. */
  constructor(
    readonly index: number,
    override readonly cause: unknown
  ) {
    super("a statement of several failed")
  }
}

/** Recognizes a `BatchFailure` by its tag, also that of another copy of this package in the process. */
export const isBatchFailure = (error: unknown): error is BatchFailure => Predicate.isTagged(error, "BatchFailure")
