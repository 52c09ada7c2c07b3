/**
 * Sandboxes and their links to attempts, over the tables `sandboxes` and `sandbox_run_links`.
 *
 * What it guarantees:
 * - A sandbox, and everything linked to it, has one owner. A method that is called with `ownerUserId` treats the rows of
 *   other owners as missing.
 * - A sandbox moves along its declared transitions only, whoever writes at the same time.
 * - `latestRunId` is the newest linked attempt, by creation and id: linking an older one does not turn it back.
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
import type { ById, OwnedId } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { SandboxFilter } from "./filters.js"
import { make } from "./makeSandboxRepo.js"
import type {
  AttemptLinkFilter,
  CreateSandbox,
  LinkAttempt,
  RenameSandbox,
  Sandbox,
  SandboxRunLink,
  SetSandboxStatus
} from "./Sandbox.js"

/**
 * Methods of `SandboxRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SandboxService {
  /**
   * Stores a sandbox, with a new id unless `id` is set. Internal: not for request handlers, as it does not check whether
   * the owner may use the repository; `SandboxLifecycle.launch` does.
   *
   * Fails with `AlreadyExists` when the given id is taken, with `ReferenceNotFound` that names the field when an owner,
   * a requester, a repository or a revision is not there or the profile is another owner's, with `InvalidInput` for a
   * name or id that is empty or too long.
   */
  readonly create: (
    sandbox: typeof CreateSandbox.Encoded
  ) => Effect.Effect<Sandbox, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The sandbox, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<Sandbox>, PersistenceError>

  /** The sandbox. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** The sandbox of this owner. Fails with `NotFound`, also when it is another owner's. */
  readonly getForOwner: (
    request: OwnedId
  ) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** The sandbox that the attempt is linked to, if there is one. */
  readonly findByAttemptId: (attemptId: ById) => Effect.Effect<Option.Option<Sandbox>, PersistenceError>

  /**
   * The sandboxes that match, newest first.
   *
   * Fails with `InvalidInput` for a foreign cursor, a limit out of range, an unknown status, or an owner that is
   * `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof SandboxFilter.Encoded
  ) => Effect.Effect<Page<Sandbox>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (
    filter: typeof SandboxFilter.Encoded
  ) => Stream.Stream<Sandbox, InvalidInput | PersistenceError>

  /** Gives the sandbox another name. Fails with `NotFound`, or with `InvalidInput` for a name that is empty or too long. */
  readonly rename: (
    request: typeof RenameSandbox.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidInput | PersistenceError>

  /**
   * Moves the sandbox to a status. One that has it already is returned as it is.
   *
   * Fails with `NotFound`, with `InvalidTransition` when no way leads there from its status, with `InvalidInput` for an
   * unknown status.
   */
  readonly setStatus: (
    request: typeof SetSandboxStatus.Encoded
  ) => Effect.Effect<Sandbox, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Makes an attempt of the same owner part of the sandbox, and its latest if none that is linked is newer. Returns the
   * sandbox. An attempt that is linked to it already stays as it was linked, also when the relation is another.
   *
   * Fails with `NotFound` when there is no such sandbox, with `ReferenceNotFound` (`attemptId`) when there is no such
   * attempt or it is another owner's, with `AlreadyExists` when it belongs to another sandbox.
   */
  readonly linkAttempt: (
    request: typeof LinkAttempt.Encoded
  ) => Effect.Effect<Sandbox, NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /**
   * The attempts of a sandbox, last linked first; none when there is no such sandbox. Fails with `InvalidInput` for a
   * foreign cursor or a limit out of range.
   */
  readonly listAttemptLinks: (
    request: PageRequest & typeof AttemptLinkFilter.Encoded
  ) => Effect.Effect<Page<SandboxRunLink>, InvalidInput | PersistenceError>

  /**
   * Puts the sandbox away, whatever its status: lists leave it out, nothing else changes. One that is put away already
   * is returned as it is. Fails with `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /** Takes back `archive`. A sandbox that is not put away is returned as it is. Fails with `NotFound`. */
  readonly restore: (id: ById) => Effect.Effect<Sandbox, NotFound | PersistenceError>

  /**
   * Deletes the sandbox in any state, and its links. In the same transaction its attempts, jobs, runtimes and the
   * executions in it end, with events in the journal; these rows stay. Fails with `NotFound`. Internal: not for request
   * handlers, which call `SandboxLifecycle.delete`.
   */
  readonly delete: (id: ById) => Effect.Effect<void, NotFound | PersistenceError>
}

export class SandboxRepo extends Context.Tag("@sealant/db/SandboxRepo")<SandboxRepo, SandboxService>() {
  /** The sandboxes over `SqlClient`. */
  static readonly layer: Layer.Layer<SandboxRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
