/**
 * What runs for an attempt, as its adapter reports it, over the table `sandbox_runtime_instances`.
 *
 * What it guarantees:
 * - A stop wins: a failure that is reported after it does not overwrite it, and after a stop was asked for nothing can be
 *   pending or running any more.
 * - Reports may come late, twice and by several workers: each is one guarded statement.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { InvalidInput, InvalidTransition, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import { make } from "./makeSandboxRuntimeInstanceRepo.js"
import type { SandboxAttemptId } from "./SandboxAttempt.js"
import type { RuntimeReport, SandboxRuntimeInstance, SandboxRuntimeStatus } from "./SandboxRuntimeInstance.js"

/**
 * Methods of `SandboxRuntimeInstanceRepo`. The owner of a runtime is the owner of its attempt.
 *
 * Calls without `ownerUserId` (bare ids) are internal: not for request handlers.
 */
export interface SandboxRuntimeInstanceService {
  /**
   * Stores what is reported of the runtime of an attempt: the first report as it is, each later one over what is known.
   * Internal: not for request handlers.
   *
   * - What the report leaves out stays as it is known; on a relaunch (failed or stopped → pending or running) it is
   *   cleared, as are the end and the error of what ran before.
   * - `launchedAt` left out is the moment of the first report of running; `finishedAt` left out is the moment of the first
   *   report of an end, and never before the launch.
   * - A repeated end (failed, or stopped) and a failure that is reported after the stop change nothing: what is stored is
   *   returned.
   *
   * Fails with `InvalidTransition` when the runtime cannot go from its status to that of the report, and when a stop of
   * the attempt was asked for and the report says pending or running (`from` is stopped where nothing was stored yet);
   * with `ReferenceNotFound` (`runId`) when there is no such attempt; with `InvalidInput` for a field out of shape, and
   * for the end of what has not ended.
   */
  readonly upsert: (
    report: typeof RuntimeReport.Encoded
  ) => Effect.Effect<SandboxRuntimeInstance, InvalidTransition | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The runtime of the attempt, if one was reported. */
  readonly findByAttemptId: (
    attemptId: ById
  ) => Effect.Effect<Option.Option<SandboxRuntimeInstance>, PersistenceError>

  /** The runtime of each attempt that has one; any number of attempts, 100 in a statement. */
  readonly listByAttemptIds: (
    attemptIds: ReadonlyArray<SandboxAttemptId> | { readonly attemptIds: ReadonlyArray<string>; readonly ownerUserId: string }
  ) => Effect.Effect<ReadonlyMap<SandboxAttemptId, SandboxRuntimeInstance>, PersistenceError>

  /**
   * The runtimes in one state, first reported last. Internal: not for request handlers. Fails with `InvalidInput` when the
   * cursor is malformed, the limit is out of range or the status is unknown.
   */
  readonly listByStatus: (
    request: PageRequest & { readonly status: SandboxRuntimeStatus }
  ) => Effect.Effect<Page<SandboxRuntimeInstance>, InvalidInput | PersistenceError>
}

export class SandboxRuntimeInstanceRepo extends Context.Tag("@sealant/db/SandboxRuntimeInstanceRepo")<
  SandboxRuntimeInstanceRepo,
  SandboxRuntimeInstanceService
>() {
  /** The runtimes over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxRuntimeInstanceRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
