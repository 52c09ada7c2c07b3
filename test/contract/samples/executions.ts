/**
 * A valid call of each method of executions and of the package cache.
 */
import { DateTime, Effect } from "effect"
import { Factories } from "@sealant/db/testing"
import type { Samples } from "../samples.js"
import type { Fixture } from "../fixtureRows.js"

export const executionSamples = ({
  ada,
  artifact,
  attempt,
  execution,
  otherIssue,
  pullRequestId,
  queued,
  resolution: { resolutionPayload: resolution },
  waiting,
  workflow
}: Fixture): Samples => {
  const executionId = execution.id
  const ownerUserId = ada
  return {
    IssueWorkflowExecutionRepo: {
      create: [{ id: "wfx", issueWorkflowId: execution.issueWorkflowId, triggerType: "api", requestedByUserId: ada }],
      findById: [{ id: executionId, ownerUserId }],
      findBySandboxAttemptId: [{ id: attempt.id, ownerUserId }],
      getById: [{ id: executionId, ownerUserId }],
      list: [{ issueWorkflowId: execution.issueWorkflowId, ownerUserId, limit: 10 }],
      stream: [{ issueWorkflowId: execution.issueWorkflowId, ownerUserId }],
      start: [{ id: waiting.id, ownerUserId }],
      succeed: [{ id: executionId, ownerUserId }],
      fail: [{ id: executionId, ownerUserId }],
      cancel: [{ id: executionId, ownerUserId, reason: "no longer needed" }],
      linkSandboxAttempt: [{ executionId, ownerUserId, sandboxId: queued.sandbox.id, sandboxAttemptId: attempt.id }],
      appendEvents: [
        {
          executionId,
          events: [
            {
              id: "event",
              phase: "plan",
              level: "info",
              eventType: "step",
              message: "began",
              payload: { path: "src", deep: { count: 1 } }
            }
          ]
        }
      ],
      listEvents: [{ executionId, ownerUserId, afterSequence: 0, limit: 10 }],
      tailEvents: [{ executionId, ownerUserId, afterSequence: 0 }],
      replaceValidationResults: [
        {
          executionId,
          results: [{ checkKey: "lint", status: "pass", durationMs: 10, message: "fine", details: { files: 3 } }]
        }
      ],
      replaceDiffFiles: [
        {
          executionId,
          files: [
            {
              changeType: "renamed",
              path: "b.ts",
              oldPath: "a.ts",
              additions: 1,
              deletions: 2,
              isBinary: false,
              patchArtifactId: artifact.id
            }
          ]
        }
      ],
      insertArtifacts: [
        {
          executionId,
          artifacts: [
            {
              id: "artifact",
              kind: "log",
              storageBackend: "s3",
              storageKey: "logs/1",
              contentType: "text/plain",
              byteSize: 10,
              checksum: "sha256:0",
              inlineJson: { lines: 3 }
            }
          ]
        }
      ],
      listArtifacts: [{ executionId, ownerUserId, kind: "log", limit: 10 }],
      streamArtifacts: [{ executionId, ownerUserId }],
      getArtifact: [{ id: artifact.id, ownerUserId }],
      upsertSummary: [
        {
          executionId,
          objective: "mend it",
          linkedIssueRef: "#1",
          filesChanged: 1,
          additions: 2,
          deletions: 3,
          assumptions: ["none"],
          warnings: ["slow"],
          summaryMarkdown: "# Done",
          generatedAt: DateTime.unsafeMake(1)
        }
      ],
      linkPullRequest: [{ executionId, pullRequestId, relation: "updated" }],
      listPullRequests: [{ executionId, ownerUserId, limit: 10 }],
      getDetail: [{ id: executionId, ownerUserId }]
    },
    IssueWorkflowLifecycle: {
      open: [
        {
          id: "opened",
          issueId: otherIssue.id,
          repositoryId: otherIssue.repositoryId,
          ownerUserId: ada,
          requestedByUserId: ada
        }
      ],
      startExecution: [
        {
          issueWorkflowId: workflow.id,
          ownerUserId: ada,
          id: "started",
          launch: {
            name: "agent",
            spec: Factories.exampleSpec,
            registryId: "main",
            repository: "acme/app",
            tag: "latest",
            triggerType: "issue"
          },
          triggerType: "api",
          requestedByUserId: ada,
          idempotencyKey: "key"
        }
      ],
      beginExecution: [{ id: waiting.id, ownerUserId }],
      report: [
        {
          executionId,
          ownerUserId,
          idempotencyKey: "report",
          events: [{ phase: "plan", level: "info", eventType: "step", message: "began", payload: { path: "src" } }],
          validationResults: [{ checkKey: "lint", status: "pass", message: "fine", details: { files: 3 } }],
          diffFiles: [{ changeType: "modified", path: "a.ts", additions: 1, deletions: 2 }],
          artifacts: [{ kind: "log", storageBackend: "s3", storageKey: "logs/1" }],
          summary: { objective: "mend it", filesChanged: 1, warnings: ["slow"], summaryMarkdown: "# Done" }
        }
      ],
      finish: [
        {
          executionId,
          ownerUserId,
          outcome: "failed",
          reason: "no way",
          pullRequests: [{ pullRequestId, relation: "created" }],
          workflow: "failed"
        }
      ],
      cancel: [{ id: workflow.id, ownerUserId: ada, reason: "no longer needed" }],
      supervise: [{ limit: 10 }],
      getDetail: [{ ownerUserId: ada, id: workflow.id }],
      list: [{ ownerUserId: ada, statuses: ["active"], includeArchived: true, limit: 10 }],
      listAll: [{ statuses: ["active"], includeArchived: true, limit: 10 }]
    },
    PackageResolutionCacheRepo: {
      get: ["nix:fd"],
      peek: ["nix:fd"],
      upsert: [{ query: "nix:bat", resolution, ttl: "1 hour" }],
      getOrResolve: [{ query: "nix:bat", resolve: Effect.succeed(resolution), ttl: "1 hour", serveExpired: true }],
      purgeExpired: [10]
    }
  }
}
