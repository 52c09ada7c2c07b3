/**
 * Every list of every service: pages over ten thousand rows while rows are inserted and deleted. No row is returned twice,
 * and no row that exists throughout is missed.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Option, Predicate } from "effect"
import type * as db from "@sealant/db"
import { layerTest } from "@sealant/db/testing"
import { maxPageWeight } from "../../src/libsql/pageRows.js"
import { countingTurns } from "../support/eventLoop.js"
import { samplesOf } from "./samples.js"
import { services } from "./services.js"
import { attempt } from "./walk.js"
import { makeFixture, type Fixture } from "./fixtureRows.js"

const rowCount = 10_000
const pageLength = 500

// A page of these rows has more characters than a page may have, in the keys alone.
const longRows = 300
const longKey = 5_000

/** Copies of one row with other values in unique columns: `n` is the number of the copy. */
interface Copies {
  readonly table: string
  /** The column that identifies the copies: `<key of the row>-<n>`. */
  readonly key?: string
  /** The key of the copied row. */
  readonly of: (fixture: Fixture) => string
  /** Expressions of other unique columns, and of columns that the filter requires. */
  readonly vary?: Readonly<Record<string, string>>
}

interface List {
  /** The referenced rows first, then the rows of the list. */
  readonly copies: readonly [...ReadonlyArray<Copies>, Copies]
  /** The field of an item that contains the row, if the item is not the row itself. */
  readonly part?: string
  /** The field of the item with the key, if it is not named like the column. */
  readonly field?: string
}

const sandboxes: Copies = {
  table: "sandboxes",
  of: ({ launched }) => launched.sandbox.id,
  vary: { latest_run_id: "NULL" }
}
const attempts: Copies = { table: "sandbox_attempts", of: ({ started }) => started.id }
const jobs: Copies = { table: "oci_image_build_jobs", of: ({ job }) => job.id, vary: { idempotency_key: "NULL" } }
const repositories: Copies = {
  table: "repositories",
  of: ({ repository }) => repository.id,
  vary: { name: "name || n", external_id: "n" }
}
const installations: Copies = {
  table: "github_app_installations",
  of: ({ installation }) => installation.id,
  vary: { external_installation_id: "'e' || n" }
}
const users: Copies = { table: "user", of: ({ ada }) => ada, vary: { email: "n || email" } }
const issues: Copies = {
  table: "issues",
  of: ({ issue }) => issue.id,
  vary: { number: "100 + n", external_id: "NULL" }
}
const pullRequests: Copies = {
  table: "pull_requests",
  of: ({ pullRequest }) => pullRequest.id,
  vary: { number: "100 + n", external_id: "NULL" }
}
// An issue has one active workflow at most, but any number of archived ones.
const workflows: Copies = { table: "issue_workflows", of: ({ workflow }) => workflow.id, vary: { archived_at: "1" } }
const installed: Copies = {
  table: "github_installation_repositories",
  of: ({ installed }) => installed.id,
  vary: { external_repository_id: "'e' || n", repository_id: "repository_id || '-' || n || ?4" }
}
const secrets: Copies = { table: "secrets", of: ({ secret }) => secret.id, vary: { name: "name || n" } }
const deliveries: Copies = {
  table: "github_webhook_deliveries",
  of: ({ delivery }) => delivery.id,
  vary: { delivery_id: "delivery_id || n", received_at: "received_at + n / 3" }
}
const revision = { version: "1 + n", fingerprint: "fingerprint || n" }

const lists: Readonly<Record<string, List>> = {
  "SandboxRepo.list": { copies: [sandboxes] },
  "SandboxRepo.listAttemptLinks": {
    field: "attemptId",
    copies: [
      { ...attempts, of: ({ launched }) => launched.attempt.id },
      {
        table: "sandbox_run_links",
        key: "run_id",
        of: ({ launched }) => launched.attempt.id,
        vary: { linked_at: "linked_at + n / 3" }
      }
    ]
  },
  "SandboxAttemptRepo.list": { copies: [{ ...attempts, of: ({ attempt }) => attempt.id }] },
  "SandboxRuntimeInstanceRepo.listByStatus": {
    field: "attemptId",
    copies: [
      attempts,
      {
        table: "sandbox_runtime_instances",
        key: "run_id",
        of: ({ started }) => started.id,
        vary: { updated_at: "updated_at + n / 3" }
      }
    ]
  },
  "RuntimeTeardownRepo.listByStatus": {
    copies: [{ table: "runtime_teardowns", of: ({ teardown }) => teardown.id }]
  },
  "SandboxLifecycle.listAttempts": {
    part: "attempt",
    copies: [
      { ...attempts, of: ({ launched }) => launched.attempt.id },
      {
        table: "sandbox_run_links",
        key: "run_id",
        of: ({ launched }) => launched.attempt.id,
        vary: { linked_at: "linked_at + n / 3" }
      }
    ],
    field: "id"
  },
  "SandboxLifecycle.list": { copies: [{ ...sandboxes, of: ({ queued }) => queued.sandbox.id }], part: "sandbox" },
  "SandboxLifecycle.listAll": { copies: [{ ...sandboxes, of: ({ queued }) => queued.sandbox.id }], part: "sandbox" },
  "WorkspaceBuildJobRepo.listByStatus": { copies: [jobs] },
  "WorkspaceBuildJobRepo.list": { copies: [jobs], part: "job" },
  "OwnerLimitsRepo.list": {
    field: "ownerUserId",
    copies: [users, { table: "owner_limits", key: "owner_user_id", of: ({ ada }) => ada }]
  },
  "SessionRepo.listForUser": { copies: [{ table: "session", of: () => "signed-in", vary: { token: "token || n" } }] },
  "AccountRepo.listForUser": {
    copies: [{ table: "account", of: () => "linked", vary: { account_id: "account_id || n" } }]
  },
  "RepositoryRepo.list": { copies: [repositories] },
  "GitHubInstallationRepo.listActive": { copies: [installations] },
  "GitHubInstallationRepo.listForUser": {
    copies: [
      installations,
      {
        table: "github_installation_user_grants",
        key: "installation_id",
        of: ({ installation }) => installation.id,
        vary: { granted_at: "granted_at + n / 3" }
      }
    ],
    field: "id"
  },
  "GitHubInstallationRepo.listGrants": {
    copies: [
      users,
      {
        table: "github_installation_user_grants",
        key: "user_id",
        of: ({ ada }) => ada,
        vary: { granted_at: "granted_at + n / 3" }
      }
    ]
  },
  "GitHubInstallationRepositoryRepo.listForInstallation": { copies: [repositories, installed] },
  "GitHubInstallationRepositoryRepo.listForUser": { copies: [repositories, installed] },
  "GitHubWebhookDeliveryRepo.list": { copies: [deliveries] },
  "GitHubWebhookDeliveryRepo.listSummaries": { copies: [deliveries] },
  "IssueRepo.list": { copies: [issues] },
  "IssueRepo.listPullRequests": {
    copies: [
      pullRequests,
      {
        table: "issue_pull_request_links",
        key: "pull_request_id",
        of: ({ pullRequest }) => pullRequest.id,
        vary: { linked_at: "linked_at + n / 3" }
      }
    ]
  },
  "PullRequestRepo.list": { copies: [{ ...pullRequests, vary: { ...pullRequests.vary, state: "'open'" } }] },
  "IssueWorkflowRepo.list": { copies: [workflows] },
  "IssueWorkflowLifecycle.list": { copies: [workflows], part: "workflow" },
  "IssueWorkflowLifecycle.listAll": { copies: [workflows], part: "workflow" },
  "IssueWorkflowExecutionRepo.list": {
    copies: [
      { table: "issue_workflow_executions", of: ({ waiting }) => waiting.id, vary: { sandbox_attempt_id: "NULL" } }
    ]
  },
  "IssueWorkflowExecutionRepo.listEvents": {
    copies: [
      { table: "issue_workflow_execution_events", of: ({ event }) => event.id, vary: { sequence: "sequence + n" } }
    ]
  },
  "IssueWorkflowExecutionRepo.listArtifacts": {
    copies: [
      { table: "issue_workflow_execution_artifacts", of: ({ artifact }) => artifact.id, vary: { kind: "'log'" } }
    ]
  },
  "IssueWorkflowExecutionRepo.listPullRequests": {
    copies: [
      { ...pullRequests, of: ({ pullRequestId }) => pullRequestId },
      {
        table: "issue_workflow_execution_pull_request_links",
        key: "pull_request_id",
        of: ({ pullRequestId }) => pullRequestId,
        vary: { linked_at: "linked_at + n / 3" }
      }
    ]
  },
  "ProfileRepo.list": {
    copies: [
      { table: "profiles", of: ({ profile }) => profile.id, vary: { slug: "slug || n", active_revision_id: "NULL" } }
    ]
  },
  "ProfileRepo.listRevisions": {
    copies: [{ table: "profile_revisions", of: ({ profileRevision }) => profileRevision.id, vary: revision }]
  },
  "RepositoryProfileRepo.list": {
    copies: [
      {
        table: "repository_profiles",
        of: ({ repositoryProfile }) => repositoryProfile.id,
        vary: { name: "name || n", active_revision_id: "NULL" }
      }
    ]
  },
  "RepositoryProfileRepo.listRevisions": {
    copies: [
      {
        table: "repository_profile_revisions",
        of: ({ repositoryProfileRevision }) => repositoryProfileRevision.id,
        vary: revision
      }
    ]
  },
  "SecretRepo.list": { copies: [secrets] },
  "SecretRepo.listVersions": {
    copies: [{ table: "secret_versions", of: ({ version }) => version.id, vary: { version: "1 + n" } }]
  },
  "SecretVault.list": { copies: [secrets] },
  "SecretVault.listVersions": {
    copies: [{ table: "secret_versions", of: ({ version }) => version.id, vary: { version: "1 + n" } }]
  },
  "SshKeyRepo.list": {
    copies: [{ table: "ssh_keys", of: ({ sshKey }) => sshKey.id, vary: { fingerprint: "fingerprint || n" } }]
  }
}

/** Lists of events, which cannot be deleted. Their own tests walk them. */
const appendOnly = ["SandboxLifecycle.timeline"]

const keyOf = ({ key = "id" }: Copies) => key

/** Stores the copies from `first` to `last`, oldest first. Their keys end with `ending`. */
const copy = (copies: Copies, fixture: Fixture, first: number, last: number, ending = "") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { of, table, vary } = copies
    const columns = yield* sql<{ readonly name: string }>`SELECT name FROM pragma_table_info(${table})`
    // Three rows share a timestamp.
    const expressions: Readonly<Record<string, string>> = {
      created_at: "created_at + n / 3",
      ...vary,
      [keyOf(copies)]: `${keyOf(copies)} || '-' || n || ?4`
    }
    yield* sql.unsafe(
      `INSERT INTO ${table} (${columns.map(({ name }) => name).join(", ")})
       WITH RECURSIVE numbers (n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?3)
       SELECT ${columns.map(({ name }) => expressions[name] ?? name).join(", ")} FROM ${table} CROSS JOIN numbers WHERE ${keyOf(copies)} = ?1`,
      [of(fixture), first, last, ending]
    )
  })

const remove = (copies: Copies, fixture: Fixture, n: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.unsafe(`DELETE FROM ${copies.table} WHERE ${keyOf(copies)} = ?1`, [`${copies.of(fixture)}-${n}`])
  )

const camelCase = (column: string) => column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** The key of the copied row in an item. */
const keyIn =
  (rows: Copies, { field, part }: { readonly field: string | undefined; readonly part: string | undefined }) =>
  (item: object) =>
    String(Reflect.get(part === undefined ? item : Reflect.get(item, part), field ?? camelCase(keyOf(rows))))

/** Returns the function that reads a page of a list. */
const pageOf = (list: string, fixture: Fixture) =>
  Effect.gen(function* () {
    const [name = "", method = ""] = list.split(".")
    const service = yield* Option.getOrThrow(Option.fromNullable(services.find((other) => other.name === name))).tag
    const [request] = samplesOf(fixture)[name]?.[method] ?? []
    return (cursor: object): Effect.Effect<db.Page<object>, unknown> =>
      Reflect.apply(Reflect.get(service, method), service, [
        { ...(request as object), afterSequence: undefined, limit: pageLength, ...cursor }
      ])
  })

const isPage = (value: unknown): value is db.Page<unknown> =>
  Predicate.hasProperty(value, "items") && Predicate.hasProperty(value, "nextCursor")

describe("lists", () => {
  it.effect("includes every method that returns pages", () =>
    Effect.gen(function* () {
      const samples = samplesOf(yield* makeFixture)
      const paged: Array<string> = []
      for (const { name, tag } of services) {
        const service = yield* tag
        for (const [method, args] of Object.entries(samples[name] ?? {})) {
          const { outcome } = yield* attempt(service, method, args)
          if (Exit.isSuccess(outcome) && isPage(outcome.value)) paged.push(`${name}.${method}`)
        }
      }
      expect(paged.toSorted()).toEqual([...Object.keys(lists), ...appendOnly].toSorted())
    }).pipe(Effect.provide(layerTest))
  )

  it.effect.each(Object.entries(lists))(
    "%s ends a page of long rows early, and lets the event loop turn",
    ([list, { copies, field, part }]) =>
      Effect.gen(function* () {
        const fixture = yield* makeFixture
        const rows = copies[copies.length - 1] as Copies
        // The keys of other rows refer to these rows.
        const ending = "x".repeat(longKey)
        for (const each of copies) yield* copy(each, fixture, 1, longRows, ending)
        const page = yield* pageOf(list, fixture)
        const seen: Array<string> = []
        for (let cursor: object | undefined = {}; cursor !== undefined; ) {
          const { items, nextCursor }: db.Page<object> = yield* page(cursor)
          expect(items.length).toBeGreaterThan(0)
          expect(items.length).toBeLessThanOrEqual(maxPageWeight / longKey)
          seen.push(...items.map(keyIn(rows, { part, field })))
          cursor = Option.isSome(nextCursor) ? { cursor: nextCursor.value } : undefined
        }
        expect(new Set(seen).size).toBe(seen.length)
        const keys = new Set(seen)
        const missed = Array.from({ length: longRows }, (_, index) => `${rows.of(fixture)}-${index + 1}${ending}`)
        expect(missed.filter((key) => !keys.has(key)).length).toBe(0)
        const turns = yield* countingTurns((turn) => Effect.zipRight(page({}), Effect.sync(turn)))
        expect(turns).toBeGreaterThanOrEqual(3)
      }).pipe(Effect.provide(layerTest)),
    60_000
  )

  it.effect.each(Object.entries(lists))(
    "%s",
    ([list, { copies, field, part }]) =>
      Effect.gen(function* () {
        const fixture = yield* makeFixture
        const page = yield* pageOf(list, fixture)
        const rows = copies[copies.length - 1] as Copies
        for (const each of copies) yield* copy(each, fixture, 1, rowCount)

        const seen: Array<string> = []
        const gone = new Set<string>()
        const see = ({ items }: db.Page<object>) => seen.push(...items.map(keyIn(rows, { part, field })))
        let now = yield* page({})
        see(now)
        expect(yield* countingTurns((turn) => Effect.zipRight(page({}), Effect.sync(turn)))).toBeGreaterThanOrEqual(4)
        for (let turn = 1; Option.isSome(now.nextCursor); turn++) {
          for (const each of copies) yield* copy(each, fixture, rowCount + turn, rowCount + turn)
          const n = ((turn * 7919) % rowCount) + 1
          yield* remove(rows, fixture, n)
          gone.add(`${rows.of(fixture)}-${n}`)
          now = yield* page({ cursor: now.nextCursor.value })
          see(now)
        }
        expect(gone.size).toBeGreaterThan(10)
        expect(new Set(seen).size).toBe(seen.length)
        const told = new Set(seen)
        const throughout = Array.from({ length: rowCount }, (_, index) => `${rows.of(fixture)}-${index + 1}`).filter(
          (key) => !gone.has(key)
        )
        expect(throughout.filter((key) => !told.has(key))).toEqual([])
      }).pipe(Effect.provide(layerTest)),
    60_000
  )
})
