/**
 * Attempts and their snapshots, over the tables `sandbox_attempts` and `sandbox_attempt_snapshots`.
 *
 * What it guarantees:
 * - An attempt ends once: the first end stands, a repeat of it changes nothing, another one is refused.
 * - An attempt that was asked to stop cannot begin to run.
 * - A snapshot is written once: what an attempt was made from does not change afterwards.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option, Stream } from "effect"
import type {
  AlreadyExists,
  InvalidInput,
  InvalidTransition,
  NotFound,
  PersistenceError,
  ReferenceNotFound
} from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { SandboxAttemptFilter } from "./filters.js"
import { make } from "./makeSandboxAttemptRepo.js"
import type {
  AttemptCancellation,
  AttemptEnd,
  AttemptStart,
  QueueAttempt,
  SandboxAttempt,
  SandboxAttemptSnapshot,
  SetSnapshot
} from "./SandboxAttempt.js"

/**
 * Methods of `SandboxAttemptRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SandboxAttemptService {
  /**
   * Stores a queued attempt, with a new id unless `id` is set. Internal: not for request handlers, as it
   * does not check whether the owner may use the repository; `SandboxLifecycle.launch` and `retry` do.
   *
   * Fails with `AlreadyExists` when the given id is taken, with `ReferenceNotFound` that names the field when what it
   * refers to is not there, or the profile or the attempt that it retries is another owner's, with `InvalidInput` for a
   * field out of shape.
   */
  readonly createQueued: (
    attempt: typeof QueueAttempt.Encoded
  ) => Effect.Effect<SandboxAttempt, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The attempt, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<SandboxAttempt>, PersistenceError>

  /** The attempt. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<SandboxAttempt, NotFound | PersistenceError>

  /**
   * The attempts that match, newest first; those of one sandbox last linked first.
   *
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, an unknown status, or an owner or a
   * sandbox that is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof SandboxAttemptFilter.Encoded
  ) => Effect.Effect<Page<SandboxAttempt>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (
    filter: typeof SandboxAttemptFilter.Encoded
  ) => Stream.Stream<SandboxAttempt, InvalidInput | PersistenceError>

  /**
   * queued → running, as of `startedAt`, or now. A running attempt is returned as it is.
   *
   * Fails with `NotFound`, with `InvalidTransition` when it has ended, or when it is queued and was asked to stop, with
   * `InvalidInput` for an instant before 1970.
   */
  readonly markRunning: (
    start: typeof AttemptStart.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * running → succeeded, as of `finishedAt`, or now, but never before it started. An attempt that has succeeded is
   * returned as it is.
   *
   * Fails with `NotFound`, with `InvalidTransition` when it never ran or has ended otherwise, with `InvalidInput` for a
   * field out of shape.
   */
  readonly markSucceeded: (
    end: typeof AttemptEnd.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /** running → failed. In all else as `markSucceeded`. */
  readonly markFailed: (
    end: typeof AttemptEnd.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * queued or running → cancelled, with the reason; the reason of the first call stands. In all else as `markSucceeded`.
   */
  readonly markCancelled: (
    cancellation: typeof AttemptCancellation.Encoded
  ) => Effect.Effect<SandboxAttempt, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Stores that the attempt is to stop, whatever its status: from then on neither it nor its runtime can begin to run.
   * The first request stands. Fails with `NotFound`.
   */
  readonly requestStop: (id: ById) => Effect.Effect<SandboxAttempt, NotFound | PersistenceError>

  /**
   * Stores the documents from which the attempt was made, once. Identical content, in any order of keys, returns the stored
   * snapshot. Internal: not for request handlers.
   *
   * Fails with `AlreadyExists` when other content is kept, with `ReferenceNotFound` (`runId`) when there is no such
   * attempt, with `InvalidInput` for a document out of shape.
   */
  readonly setSnapshot: (
    snapshot: typeof SetSnapshot.Encoded
  ) => Effect.Effect<SandboxAttemptSnapshot, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The snapshot of the attempt, if one is kept. */
  readonly findSnapshot: (
    runId: ById
  ) => Effect.Effect<Option.Option<SandboxAttemptSnapshot>, PersistenceError>
}

export class SandboxAttemptRepo extends Context.Tag("@sealant/db/SandboxAttemptRepo")<
  SandboxAttemptRepo,
  SandboxAttemptService
>() {
  /** The attempts over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxAttemptRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
