/**
 * Executions of issue workflows, and all that they report, over the tables `issue_workflow_executions` and
 * `issue_workflow_execution_events`, `_validation_results`, `_diff_files`, `_artifacts`, `_summaries` and
 * `_pull_request_links`.
 *
 * What it guarantees:
 * - An execution ends once: the first end stands, a repeat of it changes nothing, another one is refused.
 * - An execution, its sandbox and its attempt have one owner, that of the workflow. What is another owner's counts as not
 *   there. An attempt is of one execution at most.
 * - The events that the store numbers are 1, 2, 3 without gaps, however many write at the same time. An event that is
 *   stored never changes; a call is stored whole or not at all.
 * - Reports are taken from ended executions, too: the last lines of a log, and the artifacts of a run that was cancelled,
 *   come after the end. They do not change how it ended.
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
  ReferenceNotFound,
  SequenceConflict
} from "../Errors.js"
import type { ById } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { ExecutionDetail } from "./executionDetail.js"
import type { AppendedEvents, AppendEvents, IssueWorkflowExecutionEvent, ListEvents, TailEvents } from "./ExecutionEvent.js"
import type {
  ArtifactFilter,
  InsertArtifacts,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  LinkExecutionPullRequest,
  PullRequestLinkFilter,
  ReplaceDiffFiles,
  ReplaceValidationResults,
  UpsertSummary
} from "./ExecutionReport.js"
import type {
  CancelExecution,
  CreateExecution,
  ExecutionFilter,
  IssueWorkflowExecution,
  LinkSandboxAttempt
} from "./IssueWorkflowExecution.js"
import { make } from "./makeIssueWorkflowExecutionRepo.js"

export type { ExecutionDetail } from "./executionDetail.js"

/**
 * Methods of `IssueWorkflowExecutionRepo`. The owner of an execution, and of everything stored for it, is the owner of its
 * workflow.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers. So are
 * `create` and the methods that store reports, which take no owner: `IssueWorkflowLifecycle` has their scoped forms
 * (`startExecution`, `report`, `finish`).
 */
export interface IssueWorkflowExecutionService {
  /**
   * Stores an execution that waits to be run, with a new id when none is given.
   *
   * Fails with `AlreadyExists` when the given id is taken or the attempt is another execution's, with `ReferenceNotFound`
   * that names the field when the workflow, the sandbox, the attempt or the requester is not there, or the sandbox or the
   * attempt is not of the workflow's owner, with `InvalidInput` for a field out of shape.
   */
  readonly create: (
    execution: typeof CreateExecution.Encoded
  ) => Effect.Effect<IssueWorkflowExecution, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The execution, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<IssueWorkflowExecution>, PersistenceError>

  /** The execution that works in this attempt, if there is one: an attempt is one execution's at most. */
  readonly findBySandboxAttemptId: (
    attemptId: ById
  ) => Effect.Effect<Option.Option<IssueWorkflowExecution>, PersistenceError>

  /** The execution. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<IssueWorkflowExecution, NotFound | PersistenceError>

  /**
   * The executions of a workflow, newest first; none when there is no such workflow. Fails with `InvalidInput` for a
   * foreign cursor, a limit out of range, an unknown status, or a workflow that is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof ExecutionFilter.Encoded
  ) => Effect.Effect<Page<IssueWorkflowExecution>, InvalidInput | PersistenceError>

  /** All that `list` would give, read page by page as it is taken. Fails as `list` does. */
  readonly stream: (
    filter: typeof ExecutionFilter.Encoded
  ) => Stream.Stream<IssueWorkflowExecution, InvalidInput | PersistenceError>

  /**
   * queued → running, as of now. A running execution is returned as it is. Fails with `NotFound`, with
   * `InvalidTransition` when it has ended, with `InvalidInput` for what is no id.
   */
  readonly start: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * running → succeeded, as of now. An execution that has succeeded is returned as it is. Fails with `NotFound`, with
   * `InvalidTransition` when it never ran or has ended otherwise, with `InvalidInput` for what is no id.
   */
  readonly succeed: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /** running → failed. In all else as `succeed`. */
  readonly fail: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /** queued or running → cancelled, with the reason; the reason of the first call stands. In all else as `succeed`. */
  readonly cancel: (
    cancellation: typeof CancelExecution.Encoded
  ) => Effect.Effect<IssueWorkflowExecution, NotFound | InvalidTransition | InvalidInput | PersistenceError>

  /**
   * Tells in which attempt the execution runs, and so in which sandbox: the given one, else the one that the attempt is
   * linked to, else the one that was known. While the execution has not ended, a later attempt takes the place of an
   * earlier one. An execution that has this attempt already is returned as it is.
   *
   * Fails with `NotFound`, with `ReferenceNotFound` that names the field when the attempt or the sandbox is not there, or
   * is not of the workflow's owner, with `AlreadyExists` when the attempt is another execution's, or the execution has
   * ended with another attempt, with `InvalidInput` for what is no id.
   */
  readonly linkSandboxAttempt: (
    link: typeof LinkSandboxAttempt.Encoded
  ) => Effect.Effect<
    IssueWorkflowExecution,
    NotFound | AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Stores events, all of them or none, in a constant number of statements: one, unless something is stored already.
   * Returns how many are new and their range, not the events: they may be many, and the range says the number of each.
   *
   * - Either all events of a call have a `sequence`, from 0, or none has. Without, the store numbers them: they follow the
   *   highest sequence that the execution has, one after the other in the order of the call; the first of all is 1.
   * - An event that is stored already, of the same sequence or (where the store numbers) the same id, and the same
   *   content, is a repeat: it stays as it is, and the others are stored. Keys of the payload may come in another order,
   *   and an id or an instant that is left out is no difference. So a call whose answer was lost can be made again; where
   *   the store numbers, only with ids, or it is told twice.
   * - The same holds for an event that is twice in one call.
   * - The execution may have ended.
   *
   * Fails with `NotFound` when there is no such execution, with `SequenceConflict` when another event stands at one of
   * the sequences (the lowest is named), with `AlreadyExists` when an id is that of another event, with `InvalidInput`
   * for an event out of shape, sequences of some events only, or more than 200 million characters in one call.
   */
  readonly appendEvents: (
    request: typeof AppendEvents.Encoded
  ) => Effect.Effect<
    AppendedEvents,
    NotFound | SequenceConflict | AlreadyExists | InvalidInput | PersistenceError
  >

  /**
   * The events of an execution in their order, after `afterSequence`, from the first if it is left out; none when there
   * is no such execution. Fails with `InvalidInput` for a foreign cursor, a limit or a sequence out of range, or a cursor
   * and a sequence at once.
   */
  readonly listEvents: (
    request: PageRequest & typeof ListEvents.Encoded
  ) => Effect.Effect<Page<IssueWorkflowExecutionEvent>, InvalidInput | PersistenceError>

  /**
   * The events after `afterSequence`, from the first if it is left out, and then each new one when it is committed: at
   * once when this process wrote it, within some 10 ms when another process on the same file did, within a quarter of a
   * second on a libSQL server. Ends when the execution has ended; each event that was stored before its end comes before
   * that, once. Of an execution that has ended already it gives what is there. Holds nothing while it waits.
   *
   * They come in the order of their sequences. One whose caller numbered it below another that has come already, comes as
   * soon as it is seen; a tail watches up to 1,000 such gaps.
   *
   * Fails with `NotFound` when there is no such execution, or no longer, with `InvalidInput` for a sequence out of range.
   */
  readonly tailEvents: (
    request: typeof TailEvents.Encoded
  ) => Stream.Stream<IssueWorkflowExecutionEvent, NotFound | InvalidInput | PersistenceError>

  /**
   * Makes these the validation results of the execution, all at once. The result of a check that had one keeps its id and
   * `createdAt`. Returns the results in the order given.
   *
   * Fails with `NotFound` when there is no such execution, with `InvalidInput` for a result out of shape or a check that is
   * given twice.
   */
  readonly replaceValidationResults: (
    request: typeof ReplaceValidationResults.Encoded
  ) => Effect.Effect<ReadonlyArray<IssueWorkflowExecutionValidationResult>, NotFound | InvalidInput | PersistenceError>

  /**
   * Makes these the changed files of the execution, all at once. A path that was there keeps its id and `createdAt`.
   * Returns the files in the order given.
   *
   * Fails with `NotFound` when there is no such execution, with `ReferenceNotFound` (`patchArtifactId`) when a patch is no
   * artifact of this execution, with `InvalidInput` for a file out of shape or a path that is given twice.
   */
  readonly replaceDiffFiles: (
    request: typeof ReplaceDiffFiles.Encoded
  ) => Effect.Effect<
    ReadonlyArray<IssueWorkflowExecutionDiffFile>,
    NotFound | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * Stores artifacts, all of them or none, with new ids where none is given. Returns them in the order given.
   *
   * Fails with `NotFound` when there is no such execution, with `AlreadyExists` when an id is taken or given twice, with
   * `InvalidInput` for an artifact out of shape, or one that is elsewhere and has no `storageKey`.
   */
  readonly insertArtifacts: (
    request: typeof InsertArtifacts.Encoded
  ) => Effect.Effect<
    ReadonlyArray<IssueWorkflowExecutionArtifact>,
    NotFound | AlreadyExists | InvalidInput | PersistenceError
  >

  /**
   * The artifacts of an execution, of one kind if it is given, newest first; none when there is no such execution. Fails
   * with `InvalidInput` for a foreign cursor, a limit out of range, or an unknown kind.
   */
  readonly listArtifacts: (
    request: PageRequest & typeof ArtifactFilter.Encoded
  ) => Effect.Effect<Page<IssueWorkflowExecutionArtifact>, InvalidInput | PersistenceError>

  /** All that `listArtifacts` would give, read page by page as it is taken. Fails as `listArtifacts` does. */
  readonly streamArtifacts: (
    filter: typeof ArtifactFilter.Encoded
  ) => Stream.Stream<IssueWorkflowExecutionArtifact, InvalidInput | PersistenceError>

  /** The artifact. Fails with `NotFound`. */
  readonly getArtifact: (
    id: ById
  ) => Effect.Effect<IssueWorkflowExecutionArtifact, NotFound | PersistenceError>

  /**
   * Stores what is known of the execution's summary. What is left out stays as it is, and begins empty; null clears.
   * `generatedAt` left out is the moment of the first call. `updatedAt` moves when something is another than before.
   *
   * Fails with `NotFound` when there is no such execution, with `InvalidInput` for a field out of shape.
   */
  readonly upsertSummary: (
    summary: typeof UpsertSummary.Encoded
  ) => Effect.Effect<IssueWorkflowExecutionSummary, NotFound | InvalidInput | PersistenceError>

  /**
   * Tells that the execution worked on a pull request. One that is linked to it already stays as it was linked, also when
   * the relation is another.
   *
   * Fails with `NotFound` when there is no such execution, with `ReferenceNotFound` (`pullRequestId`) when there is no
   * such pull request, with `InvalidInput` for an unknown relation or what is no id.
   */
  readonly linkPullRequest: (
    link: typeof LinkExecutionPullRequest.Encoded
  ) => Effect.Effect<
    IssueWorkflowExecutionPullRequestLink,
    NotFound | ReferenceNotFound | InvalidInput | PersistenceError
  >

  /**
   * The links of an execution to pull requests, last linked first; none when there is no such execution. Fails with
   * `InvalidInput` for a foreign cursor or a limit out of range.
   */
  readonly listPullRequests: (
    request: PageRequest & typeof PullRequestLinkFilter.Encoded
  ) => Effect.Effect<Page<IssueWorkflowExecutionPullRequestLink>, InvalidInput | PersistenceError>

  /**
   * The execution and all that it has reported, as of one moment: its events are the first page of them, everything else
   * is whole. Fails with `NotFound`.
   */
  readonly getDetail: (id: ById) => Effect.Effect<ExecutionDetail, NotFound | PersistenceError>
}

export class IssueWorkflowExecutionRepo extends Context.Tag("@sealant/db/IssueWorkflowExecutionRepo")<
  IssueWorkflowExecutionRepo,
  IssueWorkflowExecutionService
>() {
  /** The executions over `SqlClient`. */
  static readonly layer: Layer.Layer<IssueWorkflowExecutionRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
