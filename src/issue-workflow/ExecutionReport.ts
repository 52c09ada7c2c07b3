/**
 * Reports of executions, except events: validation results, artifacts, changed files, the summary, and links to pull
 * requests.
 */
import { Schema } from "effect"
import {
  ownerScopeField,
  Count,
  enumeration,
  Flag,
  idOf,
  isStorable,
  Name,
  optional,
  Prose,
  ReportedProse,
  storable,
  StoredText,
  Timestamp
} from "../sql/columns.js"
import { documentOf, Json, JsonObject, OptionalJson } from "../sql/json.js"
import { readAs, when, withDecoder } from "../sql/decoder.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import { PullRequestId } from "./PullRequest.js"

// The longest path that Linux accepts (PATH_MAX, https://man7.org/linux/man-pages/man0/limits.h.0p.html).
export const longestPath = 4096

/** A path in a repository or a storage backend: 1 to 4,096 characters. */
const Path = readAs(
  withDecoder(
    Schema.NonEmptyString.pipe(Schema.maxLength(longestPath), storable),
    when((path) => typeof path === "string" && path !== "" && path.length <= longestPath && isStorable(path))
  ),
  StoredText
)

const service = "IssueWorkflowExecutionRepo"

/** The id of a validation result, `val_` and a UUIDv7. */
export const IssueWorkflowExecutionValidationResultId = idOf("IssueWorkflowExecutionValidationResultId")
export type IssueWorkflowExecutionValidationResultId = typeof IssueWorkflowExecutionValidationResultId.Type

/** The outcome of a check. */
export const IssueWorkflowExecutionValidationStatus = enumeration("pass", "warn", "fail", "skip")
export type IssueWorkflowExecutionValidationStatus = typeof IssueWorkflowExecutionValidationStatus.Type

/** One row of `issue_workflow_execution_validation_results`. */
export class IssueWorkflowExecutionValidationResult extends Model.Class<IssueWorkflowExecutionValidationResult>(
  "IssueWorkflowExecutionValidationResult"
)(
  {
    id: IssueWorkflowExecutionValidationResultId,
    executionId: IssueWorkflowExecutionId,
    /** The check: `lint`, `test`. Unique in the execution. */
    checkKey: Name,
    status: IssueWorkflowExecutionValidationStatus,
    durationMs: optional(Count),
    message: optional(Prose),
    details: OptionalJson(JsonObject),
    createdAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_validation_results",
    service,
    purpose: "The results of the checks of an execution, one row per check. Replaced as a set."
  })
) {}

/** The id of an artifact. Generated ids are `art_` and a UUIDv7. */
export const IssueWorkflowExecutionArtifactId = idOf("IssueWorkflowExecutionArtifactId")
export type IssueWorkflowExecutionArtifactId = typeof IssueWorkflowExecutionArtifactId.Type

/** The kind of an artifact. */
export const IssueWorkflowExecutionArtifactKind = enumeration(
  "log",
  "trace",
  "diff",
  "summary",
  "validation-report",
  "compiled-spec",
  "other"
)
export type IssueWorkflowExecutionArtifactKind = typeof IssueWorkflowExecutionArtifactKind.Type

/**
 * The storage backend of an artifact. `inline` and `database`: the content is in the row. Others: the content is stored
 * under `storageKey`.
 */
export const IssueWorkflowExecutionArtifactStorage = enumeration(
  "inline",
  "database",
  "s3",
  "gcs",
  "azure-blob",
  "filesystem"
)
export type IssueWorkflowExecutionArtifactStorage = typeof IssueWorkflowExecutionArtifactStorage.Type

/** One row of `issue_workflow_execution_artifacts`. Immutable. */
export class IssueWorkflowExecutionArtifact extends Model.Class<IssueWorkflowExecutionArtifact>(
  "IssueWorkflowExecutionArtifact"
)(
  {
    id: IssueWorkflowExecutionArtifactId,
    executionId: IssueWorkflowExecutionId,
    kind: IssueWorkflowExecutionArtifactKind,
    storageBackend: IssueWorkflowExecutionArtifactStorage,
    /** The key of the content in the storage backend. */
    storageKey: optional(Path),
    contentType: optional(Name),
    byteSize: optional(Count),
    checksum: optional(Name),
    inlineJson: OptionalJson(JsonObject),
    createdAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_artifacts",
    service,
    purpose: "The artifacts of an execution: logs, diffs, reports, in the row or in a storage backend. Written once."
  })
) {}

/** The id of a changed file, `dif_` and a UUIDv7. */
export const IssueWorkflowExecutionDiffFileId = idOf("IssueWorkflowExecutionDiffFileId")
export type IssueWorkflowExecutionDiffFileId = typeof IssueWorkflowExecutionDiffFileId.Type

/** The kind of change of a file. */
export const IssueWorkflowExecutionChangeType = enumeration("added", "modified", "deleted", "renamed")
export type IssueWorkflowExecutionChangeType = typeof IssueWorkflowExecutionChangeType.Type

/** One row of `issue_workflow_execution_diff_files`. */
export class IssueWorkflowExecutionDiffFile extends Model.Class<IssueWorkflowExecutionDiffFile>(
  "IssueWorkflowExecutionDiffFile"
)(
  {
    id: IssueWorkflowExecutionDiffFileId,
    executionId: IssueWorkflowExecutionId,
    changeType: IssueWorkflowExecutionChangeType,
    /** The path after the change; of a deleted file, its last path. Unique in the execution. */
    path: Path,
    /** The path before the file was renamed. */
    oldPath: optional(Path),
    additions: Count,
    deletions: Count,
    isBinary: Flag,
    /** The artifact that contains the patch. Belongs to the same execution. */
    patchArtifactId: optional(IssueWorkflowExecutionArtifactId),
    createdAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_diff_files",
    service,
    purpose: "The files that an execution changed, one row per path. Replaced as a set."
  })
) {}

/** One row of `issue_workflow_execution_summaries`. */
export class IssueWorkflowExecutionSummary extends Model.Class<IssueWorkflowExecutionSummary>(
  "IssueWorkflowExecutionSummary"
)(
  {
    executionId: IssueWorkflowExecutionId,
    objective: optional(Prose),
    /** The issue in the notation of its provider: `acme/app#7`. */
    linkedIssueRef: optional(Name),
    filesChanged: Count,
    additions: Count,
    deletions: Count,
    assumptions: Json(Schema.Array(Schema.String)),
    warnings: Json(Schema.Array(Schema.String)),
    summaryMarkdown: optional(Prose),
    /** The time at which the summary was written, as reported. */
    generatedAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_summaries",
    service,
    purpose: "The summaries of executions, at most one row per execution."
  })
) {}

/** The relation of an execution to a pull request. */
export const IssueWorkflowExecutionPullRequestRelation = enumeration("created", "updated", "referenced")
export type IssueWorkflowExecutionPullRequestRelation = typeof IssueWorkflowExecutionPullRequestRelation.Type

/** One row of `issue_workflow_execution_pull_request_links`. */
export class IssueWorkflowExecutionPullRequestLink extends Model.Class<IssueWorkflowExecutionPullRequestLink>(
  "IssueWorkflowExecutionPullRequestLink"
)(
  {
    executionId: IssueWorkflowExecutionId,
    pullRequestId: PullRequestId,
    relation: IssueWorkflowExecutionPullRequestRelation,
    linkedAt: Timestamp
  },
  table({
    name: "issue_workflow_execution_pull_request_links",
    service,
    purpose: "The links of executions to pull requests that they created, updated or referred to."
  })
) {}

/** Rejects a list with two items of the same value in `field`. The issue contains the path of the second one. */
const oncePer =
  <Field extends string>(field: Field) =>
  (items: ReadonlyArray<Readonly<Record<Field, string>>>) => {
    const seen = new Set<string>()
    const repeated = items.findIndex((item) => seen.size === seen.add(item[field]).size)
    return repeated < 0 ? undefined : { path: [repeated, field], message: "is given twice" }
  }

/** Request to replace all validation results of an execution. */
export const ReplaceValidationResults = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  results: Schema.Array(
    Schema.Struct({
      checkKey: Name,
      status: IssueWorkflowExecutionValidationStatus,
      durationMs: Schema.optional(Count),
      message: Schema.optional(ReportedProse),
      details: Schema.optional(documentOf(JsonObject))
    })
  ).pipe(Schema.filter(oncePer("checkKey")))
})

/** Request to replace all changed files of an execution. Counts default to 0, `isBinary` to false. */
export const ReplaceDiffFiles = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  files: Schema.Array(
    Schema.Struct({
      changeType: IssueWorkflowExecutionChangeType,
      path: Path,
      oldPath: Schema.optional(Path),
      additions: Schema.optionalWith(Count, { default: () => 0 }),
      deletions: Schema.optionalWith(Count, { default: () => 0 }),
      isBinary: Schema.optionalWith(Schema.Boolean, { default: () => false }),
      patchArtifactId: Schema.optional(IssueWorkflowExecutionArtifactId)
    })
  ).pipe(Schema.filter(oncePer("path")))
})

/** A new artifact. `kind` defaults to other, `storageBackend` to inline. */
const NewArtifact = Schema.Struct({
  id: Schema.optional(IssueWorkflowExecutionArtifactId),
  kind: Schema.optionalWith(IssueWorkflowExecutionArtifactKind, { default: () => "other" }),
  storageBackend: Schema.optionalWith(IssueWorkflowExecutionArtifactStorage, { default: () => "inline" }),
  storageKey: Schema.optional(Path),
  contentType: Schema.optional(Name),
  byteSize: Schema.optional(Count),
  checksum: Schema.optional(Name),
  inlineJson: Schema.optional(documentOf(JsonObject))
}).pipe(
  Schema.filter(
    ({ storageBackend, storageKey }) =>
      storageKey !== undefined ||
      storageBackend === "inline" ||
      storageBackend === "database" || { path: ["storageKey"], message: "is required for this storageBackend" }
  )
)

/** Request to store artifacts of one execution. */
export const InsertArtifacts = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  artifacts: Schema.Array(NewArtifact)
})

/** Filter for listing the artifacts of an execution, optionally those of one kind. */
export const ArtifactFilter = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: ownerScopeField(UserId),
  kind: Schema.optional(IssueWorkflowExecutionArtifactKind)
})

const lines = Schema.optional(documentOf(Schema.Array(ReportedProse)))

/** Request to update the summary of an execution. Omitted fields keep their value, null clears a field. */
export const UpsertSummary = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  objective: Schema.optional(Schema.NullOr(ReportedProse)),
  linkedIssueRef: Schema.optional(Schema.NullOr(Name)),
  filesChanged: Schema.optional(Count),
  additions: Schema.optional(Count),
  deletions: Schema.optional(Count),
  assumptions: lines,
  warnings: lines,
  summaryMarkdown: Schema.optional(Schema.NullOr(ReportedProse)),
  generatedAt: Schema.optional(Schema.DateTimeUtcFromSelf)
})

/** Request to link an execution to a pull request. `relation` defaults to created. */
export const LinkExecutionPullRequest = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  pullRequestId: PullRequestId,
  relation: Schema.optionalWith(IssueWorkflowExecutionPullRequestRelation, { default: () => "created" })
})

/** Filter for listing the links of an execution to pull requests. */
export const PullRequestLinkFilter = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: ownerScopeField(UserId)
})
