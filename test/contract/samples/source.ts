/**
 * A valid call of each method of the source services, issues and workflows.
 */
import { WebhookOutcome } from "@sealant/db/github"
import { DateTime, Effect } from "effect"
import type { Samples } from "../samples.js"
import type { Fixture } from "../fixtureRows.js"

const at = DateTime.unsafeMake(1)

/** A repository as an installation contains it. */
const site = {
  externalRepositoryId: "5",
  owner: "acme",
  name: "site",
  fullName: "acme/site",
  defaultBranch: "main",
  isPrivate: true,
  isArchived: false,
  pushedAt: at,
  url: "https://github.com/acme/site"
}

export const sourceSamples = (fixture: Fixture): Samples => {
  const {
    ada,
    delivery,
    deliveryLease,
    failedDelivery,
    installation,
    installed,
    issue,
    pullRequest,
    repository,
    workflow
  } = fixture
  const installationId = installation.id
  const repositoryId = repository.id
  const pulled = { repositoryId, number: 9, title: "Mend it", headBranch: "fix", baseBranch: "main" }
  return {
    RepositoryRepo: {
      upsert: [
        {
          id: "repo",
          provider: "github",
          externalId: "9",
          owner: "acme",
          name: "tool",
          defaultBranch: "main",
          url: "https://github.com/acme/tool",
          isArchived: false,
          openToAll: true,
          lastSyncedAt: at
        }
      ],
      findById: [repositoryId],
      getById: [repositoryId],
      findByExternalId: [{ provider: "github", externalId: "9" }],
      findByOwnerAndName: [{ provider: "github", owner: "acme", name: "app" }],
      list: [{ limit: 10 }],
      delete: [repositoryId]
    },
    GitHubInstallationRepo: {
      upsert: [
        {
          id: "installation",
          externalInstallationId: "77",
          externalAccountId: "7",
          accountLogin: "acme",
          accountType: "organization",
          targetType: "organization",
          status: "active",
          permissions: { contents: "read" },
          repositorySelection: "selected",
          installedAt: at,
          lastSyncedAt: at,
          reinstalled: false
        }
      ],
      findById: [installationId],
      getById: [installationId],
      findByExternalId: ["77"],
      listForUser: [{ userId: ada, statuses: ["active"], orderBy: "newest", limit: 10 }],
      listActive: [{ limit: 10 }],
      setStatus: [{ id: installationId, status: "suspended", lastSyncedAt: at }],
      grantToUser: [{ installationId, userId: ada, grantedByUserId: ada }],
      revokeGrant: [{ installationId, userId: ada }],
      userHasGrant: [{ installationId, userId: ada }],
      listGrants: [{ installationId, limit: 10 }]
    },
    GitHubInstallationRepositoryRepo: {
      sync: [
        {
          installationId,
          repositories: [
            {
              ...site
            }
          ]
        }
      ],
      apply: [
        {
          installationId,
          added: [{ externalRepositoryId: "5", owner: "acme", name: "site", isPrivate: true }],
          removed: [installed.externalRepositoryId],
          at
        }
      ],
      upsert: [
        {
          id: "installed",
          installationId,
          ...site,
          at
        }
      ],
      update: [
        {
          repositoryId,
          owner: "acme",
          name: "site",
          fullName: "acme/site",
          defaultBranch: "main",
          isPrivate: true,
          isArchived: false,
          pushedAt: at
        }
      ],
      markDeleted: [{ repositoryId, at }],
      listForInstallation: [{ installationId, search: "app", includeRemoved: true, limit: 10 }],
      listForUser: [{ userId: ada, installationId, search: "app", orderBy: "newest", limit: 10 }],
      mayUse: [{ userId: ada, repositoryId }],
      findById: [installed.id],
      findByExternalId: [{ installationId, externalRepositoryId: installed.externalRepositoryId }],
      findByRepositoryId: [{ installationId, repositoryId: installed.repositoryId }]
    },
    GitHubWebhookDeliveryRepo: {
      record: [
        {
          id: "hook",
          deliveryId: "guid",
          eventType: "issues",
          action: "opened",
          installationExternalId: "77",
          payload: { issue: { number: 1 } },
          maxAttempts: 3
        }
      ],
      claimNext: [{ workerId: "worker-2", leaseDuration: "1 minute" }],
      claimById: [{ workerId: "worker-2", leaseDuration: "1 minute", id: deliveryLease.deliveryId }],
      heartbeat: [deliveryLease, "1 minute"],
      markProcessed: [deliveryLease],
      markIgnored: [deliveryLease, { reason: "nobody listens" }],
      markFailed: [deliveryLease, { errorMessage: "no such repository", retryable: true }],
      release: [deliveryLease],
      getByLease: [deliveryLease],
      redeliver: [failedDelivery.id],
      reapExpired: [10],
      findById: [delivery.id],
      getById: [delivery.id],
      findByDeliveryId: [delivery.deliveryId],
      list: [{ status: "received", limit: 10 }],
      listSummaries: [{ statuses: ["received", "failed"], limit: 10 }],
      getDetail: [delivery.id],
      listChanges: [delivery.id],
      stream: [{ status: "received" }],
      stats: []
    },
    WebhookInbox: {
      receive: [
        {
          id: "hook",
          deliveryId: "guid",
          eventType: "issues",
          action: "opened",
          installationExternalId: "77",
          payload: { issue: { number: 1 } },
          maxAttempts: 3
        }
      ],
      process: [{ workerId: "worker-2", leaseDuration: "1 minute" }, () => Effect.succeed(WebhookOutcome.processed)],
      run: [
        {
          workerId: "worker-2",
          concurrency: 2,
          leaseDuration: "1 minute",
          pollInterval: "1 second",
          drainTimeout: "1 second"
        },
        () => Effect.succeed(WebhookOutcome.processed)
      ]
    },
    IssueRepo: {
      upsert: [
        {
          id: "issue",
          provider: "github",
          externalId: "11",
          repositoryId,
          number: 9,
          title: "It breaks",
          state: "open",
          url: "https://github.com/acme/app/issues/9",
          authorUserId: ada,
          assigneeUserId: ada,
          openedAt: at,
          closedAt: at,
          syncedAt: at
        }
      ],
      findById: [issue.id],
      getById: [issue.id],
      findByNumber: [{ repositoryId, number: issue.number }],
      findByExternalId: [{ externalId: "11" }],
      markTransferred: [
        {
          fromExternalId: "11",
          to: {
            provider: "github",
            externalId: "12",
            repositoryId,
            number: 10,
            title: "It breaks",
            state: "open",
            url: "https://github.com/acme/app/issues/10",
            authorUserId: ada,
            assigneeUserId: ada,
            openedAt: at,
            closedAt: at,
            syncedAt: at
          }
        }
      ],
      markDeleted: [{ provider: "github", externalId: "11", at }],
      list: [{ repositoryId, state: "open", limit: 10 }],
      stream: [{ repositoryId }],
      linkPullRequest: [{ issueId: issue.id, pullRequestId: pullRequest.id, relation: "relates_to" }],
      listPullRequests: [{ issueId: issue.id, limit: 10 }]
    },
    PullRequestRepo: {
      upsert: [
        {
          id: "pull",
          provider: "github",
          externalId: "12",
          ...pulled,
          state: "open",
          headSha: "abc",
          url: "https://github.com/acme/app/pull/9",
          authorUserId: ada,
          openedAt: at,
          syncedAt: at
        }
      ],
      findById: [pullRequest.id],
      getById: [pullRequest.id],
      findByNumber: [{ repositoryId, number: pullRequest.number }],
      findByExternalId: [{ externalId: "12" }],
      list: [{ repositoryId, state: "open", limit: 10 }],
      stream: [{ repositoryId }]
    },
    IssueWorkflowRepo: {
      create: [
        { id: "workflow", issueId: fixture.otherIssue.id, repositoryId, ownerUserId: ada, requestedByUserId: ada }
      ],
      findById: [{ ownerUserId: ada, id: workflow.id }],
      getById: [{ ownerUserId: ada, id: workflow.id }],
      list: [
        { issueId: issue.id, repositoryId, ownerUserId: ada, statuses: ["active"], includeArchived: true, limit: 10 }
      ],
      stream: [{ ownerUserId: ada }],
      succeed: [{ ownerUserId: ada, id: workflow.id }],
      fail: [{ ownerUserId: ada, id: workflow.id }],
      cancel: [{ ownerUserId: ada, id: workflow.id, reason: "no longer needed" }],
      archive: [{ ownerUserId: ada, id: workflow.id }],
      unarchive: [{ ownerUserId: ada, id: workflow.id }]
    }
  }
}
