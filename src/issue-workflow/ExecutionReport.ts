/**
 * What an execution reports beside its events: how its checks went, what it changed, what it left behind, in short what
 * it did, and the pull requests that it worked on.
 */
import { Schema } from "effect"
import {
  confinedTo,
  Count,
  documentOf,
  enumeration,
  Flag,
  idOf,
  Json,
  JsonObject,
  Name,
  optional,
  OptionalJson,
  Prose,
  ReportedProse,
  storable,
  StoredText,
  Timestamp
} from "../sql/columns.js"
import { readAs, when, withDecoder } from "../sql/decoder.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { UserId } from "../auth/User.js"
import { IssueWorkflowExecutionId } from "./IssueWorkflowExecution.js"
import { PullRequestId } from "./PullRequest.js"

// The longest path that Linux takes (PATH_MAX, https://man7.org/linux/man-pages/man0/limits.h.0p.html).
export const longestPath = 4096

/** A path in a repository or a storage: 1 to 4,096 characters. */
const Path = readAs(
  withDecoder(
    Schema.NonEmptyString.pipe(Schema.maxLength(longestPath), storable),
    when((stored) => typeof stored === "string" && stored !== "")
  ),
  StoredText
)

const service = "IssueWorkflowExecutionRepo"

/** The id of a validation result, `val_` and a UUIDv7. */
export const IssueWorkflowExecutionValidationResultId = idOf("IssueWorkflowExecutionValidationResultId")
export type IssueWorkflowExecutionValidationResultId = typeof IssueWorkflowExecutionValidationResultId.Type

/** How a check went. */
export const IssueWorkflowExecutionValidationStatus = enumeration("pass", "warn", "fail", "skip")
export type IssueWorkflowExecutionValidationStatus = typeof IssueWorkflowExecutionValidationStatus.Type

/** One row of `issue_workflow_execution_validation_results`. */
export class IssueWorkflowExecutionValidationResult
  extends Model.Class<IssueWorkflowExecutionValidationResult>("IssueWorkflowExecutionValidationResult")({
    id: IssueWorkflowExecutionValidationResultId,
    executionId: IssueWorkflowExecutionId,
    /** Which check it was: `lint`, `test`. One result for each. */
    checkKey: Name,
    status: IssueWorkflowExecutionValidationStatus,
    durationMs: optional(Count),
    message: optional(Prose),
    details: OptionalJson(JsonObject),
    createdAt: Timestamp
  }, table({
    name: "issue_workflow_execution_validation_results",
    service,
    purpose: "How the checks of an execution went, one row for each check. Replaced as a set."
  }))
{}

/** The id of an artifact, `art_` and a UUIDv7 when it is ours. */
export const IssueWorkflowExecutionArtifactId = idOf("IssueWorkflowExecutionArtifactId")
export type IssueWorkflowExecutionArtifactId = typeof IssueWorkflowExecutionArtifactId.Type

/** What an artifact is. */
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

/** Where the content of an artifact is: in its row (`inline`, `database`), or elsewhere under its key. */
export const IssueWorkflowExecutionArtifactStorage = enumeration("inline", "database", "s3", "gcs", "azure-blob", "filesystem")
export type IssueWorkflowExecutionArtifactStorage = typeof IssueWorkflowExecutionArtifactStorage.Type

/** One row of `issue_workflow_execution_artifacts`. Never changes. */
export class IssueWorkflowExecutionArtifact extends Model.Class<IssueWorkflowExecutionArtifact>("IssueWorkflowExecutionArtifact")({
  id: IssueWorkflowExecutionArtifactId,
  executionId: IssueWorkflowExecutionId,
  kind: IssueWorkflowExecutionArtifactKind,
  storageBackend: IssueWorkflowExecutionArtifactStorage,
  /** Under which name the storage has it. */
  storageKey: optional(Path),
  contentType: optional(Name),
  byteSize: optional(Count),
  checksum: optional(Name),
  inlineJson: OptionalJson(JsonObject),
  createdAt: Timestamp
}, table({
  name: "issue_workflow_execution_artifacts",
  service,
  purpose: "What an execution left behind: logs, diffs, reports, here or in a storage elsewhere. Written once."
})) {}

/** The id of a changed file, `dif_` and a UUIDv7. */
export const IssueWorkflowExecutionDiffFileId = idOf("IssueWorkflowExecutionDiffFileId")
export type IssueWorkflowExecutionDiffFileId = typeof IssueWorkflowExecutionDiffFileId.Type

/** What became of a file. */
export const IssueWorkflowExecutionChangeType = enumeration("added", "modified", "deleted", "renamed")
export type IssueWorkflowExecutionChangeType = typeof IssueWorkflowExecutionChangeType.Type

/** One row of `issue_workflow_execution_diff_files`. */
export class IssueWorkflowExecutionDiffFile extends Model.Class<IssueWorkflowExecutionDiffFile>("IssueWorkflowExecutionDiffFile")({
  id: IssueWorkflowExecutionDiffFileId,
  executionId: IssueWorkflowExecutionId,
  changeType: IssueWorkflowExecutionChangeType,
  /** Where the file is now, or was. One row for each. */
  path: Path,
  /** Where it was before it was renamed. */
  oldPath: optional(Path),
  additions: Count,
  deletions: Count,
  isBinary: Flag,
  /** The artifact of the same execution that holds the patch. */
  patchArtifactId: optional(IssueWorkflowExecutionArtifactId),
  createdAt: Timestamp
}, table({
  name: "issue_workflow_execution_diff_files",
  service,
  purpose: "The files that an execution changed, one row for each path. Replaced as a set."
})) {}

/** One row of `issue_workflow_execution_summaries`. */
export class IssueWorkflowExecutionSummary extends Model.Class<IssueWorkflowExecutionSummary>("IssueWorkflowExecutionSummary")({
  executionId: IssueWorkflowExecutionId,
  objective: optional(Prose),
  /** The issue as people write it: `acme/app#7`. */
  linkedIssueRef: optional(Name),
  filesChanged: Count,
  additions: Count,
  deletions: Count,
  assumptions: Json(Schema.Array(Schema.String)),
  warnings: Json(Schema.Array(Schema.String)),
  summaryMarkdown: optional(Prose),
  /** When whoever wrote the summary wrote it. */
  generatedAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "issue_workflow_execution_summaries",
  service,
  purpose: "What an execution did, in short: at most one row for each."
})) {}

/** What an execution did with a pull request. */
export const IssueWorkflowExecutionPullRequestRelation = enumeration("created", "updated", "referenced")
export type IssueWorkflowExecutionPullRequestRelation = typeof IssueWorkflowExecutionPullRequestRelation.Type

/** One row of `issue_workflow_execution_pull_request_links`. */
export class IssueWorkflowExecutionPullRequestLink
  extends Model.Class<IssueWorkflowExecutionPullRequestLink>("IssueWorkflowExecutionPullRequestLink")({
    executionId: IssueWorkflowExecutionId,
    pullRequestId: PullRequestId,
    relation: IssueWorkflowExecutionPullRequestRelation,
    linkedAt: Timestamp
  }, table({
    name: "issue_workflow_execution_pull_request_links",
    service,
    purpose: "Which pull requests an execution created, updated or referred to."
  }))
{}

/** Refuses a second item with the same text in a field, and says where it stands. */
const oncePer = <Field extends string>(field: Field) => (items: ReadonlyArray<Readonly<Record<Field, string>>>) => {
  const seen = new Set<string>()
  const again = items.findIndex((item) => seen.size === seen.add(item[field]).size)
  return again < 0 ? undefined : { path: [again, field], message: "is given twice" }
}

/** All validation results of an execution. */
export const ReplaceValidationResults = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  results: Schema.Array(Schema.Struct({
    checkKey: Name,
    status: IssueWorkflowExecutionValidationStatus,
    durationMs: Schema.optional(Count),
    message: Schema.optional(ReportedProse),
    details: Schema.optional(documentOf(JsonObject))
  })).pipe(Schema.filter(oncePer("checkKey")))
})

/** All files that an execution changed. Counts left out mean 0, `isBinary` left out means false. */
export const ReplaceDiffFiles = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  files: Schema.Array(Schema.Struct({
    changeType: IssueWorkflowExecutionChangeType,
    path: Path,
    oldPath: Schema.optional(Path),
    additions: Schema.optionalWith(Count, { default: () => 0 }),
    deletions: Schema.optionalWith(Count, { default: () => 0 }),
    isBinary: Schema.optionalWith(Schema.Boolean, { default: () => false }),
    patchArtifactId: Schema.optional(IssueWorkflowExecutionArtifactId)
  })).pipe(Schema.filter(oncePer("path")))
})

/** An artifact as a caller gives it. `kind` left out means other, `storageBackend` inline. */
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
  Schema.filter(({ storageBackend, storageKey }) =>
    storageKey !== undefined || storageBackend === "inline" || storageBackend === "database" ||
    { path: ["storageKey"], message: "is needed where the content is elsewhere" })
)

/** Artifacts of one execution. */
export const InsertArtifacts = Schema.Struct({ executionId: IssueWorkflowExecutionId, artifacts: Schema.Array(NewArtifact) })

/** Which artifacts a list shows: of one execution, of one kind if it is given. */
export const ArtifactFilter = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  ownerUserId: confinedTo(UserId),
  kind: Schema.optional(IssueWorkflowExecutionArtifactKind)
})

const lines = Schema.optional(documentOf(Schema.Array(ReportedProse)))

/** What is known of a summary now. What is left out stays as it is; null clears. */
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

/** A pull request that an execution worked on. `relation` left out means created. */
export const LinkExecutionPullRequest = Schema.Struct({
  executionId: IssueWorkflowExecutionId,
  pullRequestId: PullRequestId,
  relation: Schema.optionalWith(IssueWorkflowExecutionPullRequestRelation, { default: () => "created" })
})

/** Whose pull requests a list shows. */
export const PullRequestLinkFilter = Schema.Struct({ executionId: IssueWorkflowExecutionId, ownerUserId: confinedTo(UserId) })
