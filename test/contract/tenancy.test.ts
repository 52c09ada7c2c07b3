/**
 * Every method of every service either takes an owner, or is declared internal here and in its documentation. A method with
 * an owner reports rows of other owners as if they did not exist, also when only one of several referenced rows is foreign.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Factories, layerTest } from "@sealant/db/testing"
import { readdirSync, readFileSync } from "node:fs"
import { samplesOf } from "./samples.js"
import { services } from "./services.js"
import { type Arguments, isRecord, type Outcome, outcomeOf, placesOf } from "./walk.js"
import { sharedFixture } from "./fixture.js"
import { makeFixture } from "./fixtureRows.js"

/** Methods without an owner: for the program's own use, for workers and for operators. Never for request handlers. */
const internal: Readonly<Record<string, ReadonlyArray<string>>> = {
  UserRepo: ["create", "ensure", "findByEmail"],
  SessionRepo: ["findByToken", "purgeExpired"],
  AccountRepo: ["find"],
  VerificationRepo: ["consume", "create", "purgeExpired"],
  RepositoryRepo: ["delete", "findByExternalId", "findById", "findByOwnerAndName", "getById", "list", "upsert"],
  GitHubInstallationRepo: [
    "findByExternalId",
    "findById",
    "getById",
    "listActive",
    "listGrants",
    "setStatus",
    "upsert"
  ],
  GitHubInstallationRepositoryRepo: [
    "apply",
    "findByExternalId",
    "findById",
    "findByRepositoryId",
    "listForInstallation",
    "markDeleted",
    "sync",
    "update",
    "upsert"
  ],
  GitHubWebhookDeliveryRepo: [
    "claimById",
    "claimNext",
    "findByDeliveryId",
    "findById",
    "getById",
    "getByLease",
    "getDetail",
    "heartbeat",
    "list",
    "listChanges",
    "listSummaries",
    "markFailed",
    "markIgnored",
    "markProcessed",
    "reapExpired",
    "record",
    "redeliver",
    "release",
    "stats",
    "stream"
  ],
  WebhookInbox: ["process", "receive", "run"],
  IssueRepo: [
    "findByExternalId",
    "findById",
    "findByNumber",
    "getById",
    "linkPullRequest",
    "list",
    "listPullRequests",
    "markDeleted",
    "markTransferred",
    "stream",
    "upsert"
  ],
  PullRequestRepo: ["findByExternalId", "findById", "findByNumber", "getById", "list", "stream", "upsert"],
  IssueWorkflowExecutionRepo: [
    "appendEvents",
    "create",
    "insertArtifacts",
    "linkPullRequest",
    "replaceDiffFiles",
    "replaceValidationResults",
    "upsertSummary"
  ],
  IssueWorkflowLifecycle: ["listAll", "supervise"],
  SecretVault: ["keyStatus", "retireKey", "rotateKeys", "streamRotation"],
  SandboxAttemptRepo: ["setSnapshot"],
  SandboxRuntimeInstanceRepo: ["claimInspections", "listByStatus", "upsert"],
  RuntimeTeardownRepo: [
    "claimById",
    "claimNext",
    "findById",
    "getById",
    "heartbeat",
    "listByStatus",
    "release",
    "stats"
  ],
  SandboxLifecycle: [
    "beginBuild",
    "endRuntime",
    "failBuild",
    "failTeardown",
    "finishBuild",
    "finishTeardown",
    "publishBuild",
    "listAll",
    "recordRuntime",
    "stats",
    "supervise"
  ],
  WorkspaceBuildJobRepo: [
    "cancel",
    "cancelLatestByAttemptId",
    "claimBatch",
    "claimById",
    "claimNext",
    "count",
    "fail",
    "failMany",
    "failQueued",
    "findById",
    "findByIdempotencyKey",
    "findLatestByAttemptId",
    "findLatestByPlanHash",
    "findLatestStateByAttemptId",
    "getById",
    "getByLease",
    "getDetail",
    "heartbeat",
    "list",
    "listByStatus",
    "listLatestByAttemptIds",
    "markSettled",
    "reapExpired",
    "nextDueAt",
    "redrive",
    "redriveMany",
    "release",
    "setPriority",
    "stats",
    "succeed",
    "succeedMany"
  ],
  OwnerLimitsRepo: ["get", "getDefaults", "list", "setDefaults"],
  BuildQueueRepo: ["drift", "listPauses", "load", "pause", "repair", "resume", "summarize"],
  ControlPlaneEvents: [
    "acknowledge",
    "activity",
    "consume",
    "getByPosition",
    "journal",
    "position",
    "read",
    "recordBackup",
    "search",
    "tail"
  ],
  PackageResolutionCacheRepo: ["get", "getOrResolve", "peek", "purgeExpired", "upsert"]
}

/** Methods on a user whose argument is the user. */
const ofTheUser: Readonly<Record<string, ReadonlyArray<string>>> = {
  UserRepo: ["delete", "findById", "getById", "update"],
  SessionRepo: ["revokeAllForUser"]
}

/** Internal methods that take an owner, but do not check whether that owner may use the referenced rows. */
const unchecked = new Set([
  "SandboxRepo.create",
  "SandboxAttemptRepo.createQueued",
  "IssueWorkflowRepo.create",
  "GitHubInstallationRepo.grantToUser"
])

const isOwner = (path: string) => /\.(ownerUserId|userId)$/.test(path)

const hasOwner = (args: Arguments) => placesOf(args).some(({ path }) => isOwner(path))

/** The arguments with replaced strings. */
const replaced = (value: unknown, by: (text: string, key: string) => string, key = ""): unknown => {
  if (typeof value === "string") return by(value, key)
  if (Array.isArray(value)) return value.map((item) => replaced(item, by, key))
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, replaced(item, by, inner)]))
    : value
}

const replacedIn = (args: Arguments, by: (text: string, key: string) => string) => args.map((arg) => replaced(arg, by))

/** The ids of all rows except users. */
const rowIds = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
    WHERE t.type = 'table' AND c.name = 'id' AND c.type = 'TEXT' AND t.name <> 'user'`
  const ids = yield* Effect.forEach(tables, ({ name }) => sql<{ readonly id: string }>`SELECT id FROM ${sql(name)}`)
  return new Set(ids.flat().map(({ id }) => id))
}).pipe(Effect.orDie)

const { make } = Factories

/** Rows of Eve that Ada may not use, by table. */
const makeStrangers = Effect.gen(function* () {
  const eve = { ownerUserId: "eve" }
  const repository = yield* make.repository({ id: "eves-repository", openToAll: false })
  const installation = yield* make.installation({ id: "eves-installation" })
  yield* make.installationGrant({ installationId: installation.id, userId: "eve" })
  yield* make.installationRepository({ installationId: installation.id, repositoryId: repository.id })
  const issue = yield* make.issue({ repositoryId: repository.id })
  const pullRequest = yield* make.pullRequest({ repositoryId: repository.id })
  const workflow = yield* make.workflow({ issueId: issue.id, ...eve })
  const execution = yield* make.execution({ issueWorkflowId: workflow.id })
  const artifact = yield* make.executionArtifact({ executionId: execution.id })
  const secret = yield* make.secret(eve)
  const version = yield* make.secretVersion({ secretId: secret.id })
  const sshKey = yield* make.sshKey(eve)
  const profile = yield* make.profile(eve)
  const profileRevision = yield* make.profileRevision({ profileId: profile.id })
  const repositoryProfile = yield* make.repositoryProfile({ repositoryId: repository.id })
  const repositoryProfileRevision = yield* make.repositoryProfileRevision({ repositoryProfileId: repositoryProfile.id })
  const { attempt: run, job, sandbox } = yield* make.launch({ sandbox: eve })
  const strangers: Readonly<Record<string, { readonly id: string }>> = {
    repositories: repository,
    github_app_installations: installation,
    issues: issue,
    pull_requests: pullRequest,
    issue_workflows: workflow,
    issue_workflow_executions: execution,
    issue_workflow_execution_artifacts: artifact,
    secrets: secret,
    secret_versions: version,
    ssh_keys: sshKey,
    profiles: profile,
    profile_revisions: profileRevision,
    repository_profiles: repositoryProfile,
    repository_profile_revisions: repositoryProfileRevision,
    sandboxes: sandbox,
    sandbox_attempts: run,
    oci_image_build_jobs: job
  }
  return strangers
}).pipe(Effect.orDie)

/** Whether a place contains an id: an argument of its own, or a field or list with such a name. */
const isReference = ({ path }: { readonly path: string }) => /^\d+$|[iI]d$|[iI]ds\.\d+$/.test(path) && !isOwner(path)

/** Puts a missing id in one other place of the arguments. */
const withAnotherMissing = (
  args: Arguments,
  path: string,
  isId: (value: unknown) => boolean
): ReadonlyArray<Arguments> =>
  placesOf(args)
    .filter((place) => place.path !== path && isReference(place) && isId(place.value))
    .map(({ replacedBy }) => replacedBy("nowhere"))

const sources = readdirSync(new URL("../../src", import.meta.url), { recursive: true, encoding: "utf8" })

const sourceOf = (name: string) => {
  const file = sources.find((path) => path.endsWith(`/${name}.ts`))
  return file === undefined ? "" : readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
}

const withFixture = sharedFixture()

describe.each(services)("$name", (declared) => {
  const { name, tag } = declared
  const withService = withFixture(declared)

  it.effect("has no method without an owner, unless it is declared internal", () =>
    withService((service, samples) =>
      Effect.sync(() => {
        const args = new Map(samples)
        const withoutOwner = Object.keys(service).filter((method) => !hasOwner(args.get(method) ?? []))
        expect(withoutOwner.toSorted()).toEqual([...(internal[name] ?? []), ...(ofTheUser[name] ?? [])].toSorted())
        if (internal[name] !== undefined)
          expect(sourceOf(name).replaceAll("\n * ", " ")).toMatch(/not for request handlers/i)
      })
    )
  )

  it.effect("reports rows of other owners as if they did not exist", () =>
    withService((service, samples) =>
      Effect.gen(function* () {
        const ids = yield* rowIds
        const patterns = [...ids].map((id) => new RegExp(`(?<![\\w-])${id}(?![\\w-])`, "g"))
        const withoutIds = (text: string) =>
          patterns.reduce((rest, pattern) => rest.replaceAll(pattern, "nowhere"), text)
        for (const [method, args] of samples) {
          if (!hasOwner(args) || unchecked.has(`${name}.${method}`)) continue
          const stranger = replacedIn(args, (text, key) => (key === "ownerUserId" || key === "userId" ? "eve" : text))
          const nowhere = replacedIn(stranger, (text) => (ids.has(text) ? "nowhere" : text))
          if (JSON.stringify(nowhere) === JSON.stringify(stranger)) continue
          const [there, missing] = yield* Effect.all([
            outcomeOf(service, method, stranger),
            outcomeOf(service, method, nowhere)
          ])
          expect(withoutIds(JSON.stringify(there)), method).toBe(withoutIds(JSON.stringify(missing)))
        }
      })
    )
  )

  it.effect(
    "reports one foreign row among the caller's own as if it did not exist",
    () =>
      Effect.gen(function* () {
        const service = yield* tag
        const samples = Object.entries(samplesOf(yield* makeFixture)[name] ?? {})
        const sql = yield* SqlClient.SqlClient
        const strangers = yield* Effect.forEach(Object.entries(yield* makeStrangers), ([table, { id }]) =>
          Effect.map(sql<{ readonly id: string }>`SELECT id FROM ${sql(table)}`, (rows) => ({
            id,
            same: new Set(rows.map((row) => row.id))
          }))
        )
        const isId = (value: unknown) =>
          typeof value === "string" && (value === "ada" || strangers.some(({ same }) => same.has(value)))
        const shownAs = (outcome: Outcome, id: string) =>
          JSON.stringify(outcome).replaceAll(new RegExp(`(?<![\\w-])${id}(?![\\w-])`, "g"), "nowhere")
        for (const [method, args] of samples) {
          if (!hasOwner(args) || unchecked.has(`${name}.${method}`)) continue
          for (const { path, value } of placesOf(args).filter(isReference)) {
            for (const { id } of strangers.filter(({ same }) => typeof value === "string" && same.has(value))) {
              for (const given of [args, ...withAnotherMissing(args, path, isId)]) {
                const replacedBy = placesOf(given).find((place) => place.path === path)?.replacedBy
                if (replacedBy === undefined) continue
                const theirs = yield* outcomeOf(service, method, replacedBy(id))
                const missing = yield* outcomeOf(service, method, replacedBy("nowhere"))
                expect(shownAs(theirs, id), `${method} ${path} of ${JSON.stringify(given)}`).toBe(shownAs(missing, id))
              }
            }
          }
        }
      }).pipe(Effect.provide(layerTest)),
    60_000
  )
})
