/**
 * Every method of every service is either called with an owner, or declared internal here and in its documentation. A
 * method that is called with an owner treats a stranger as if the rows did not exist.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { layerTest } from "@sealant/db/testing"
import { readdirSync, readFileSync } from "node:fs"
import { samplesOf } from "./samples.js"
import { services } from "./services.js"
import { type Arguments, attempt, isRecord, placesOf } from "./walk.js"
import { makeWorld } from "./world.js"

/** Methods without an owner: for the program's own use, for workers and for operators. Never for request handlers. */
const internal: Readonly<Record<string, ReadonlyArray<string>>> = {
  UserRepo: ["create", "ensure", "findByEmail"],
  SessionRepo: ["findByToken", "purgeExpired"],
  AccountRepo: ["find"],
  VerificationRepo: ["consume", "create", "purgeExpired"],
  RepositoryRepo: ["delete", "findByExternalId", "findById", "findByOwnerAndName", "getById", "list", "upsert"],
  GitHubInstallationRepo: ["findByExternalId", "findById", "getById", "listActive", "listGrants", "setStatus", "upsert"],
  GitHubInstallationRepositoryRepo: ["apply", "findByExternalId", "findById", "findByRepositoryId", "listForInstallation", "sync"],
  GitHubWebhookDeliveryRepo: [
    "claimNext", "findByDeliveryId", "findById", "getById", "getByLease", "heartbeat", "list", "markFailed", "markIgnored", "markProcessed",
    "reapExpired", "record", "redeliver", "release", "stats", "stream"
  ],
  WebhookInbox: ["process", "receive", "run"],
  IssueRepo: [
    "findByExternalId", "findById", "findByNumber", "getById", "linkPullRequest", "list", "listPullRequests", "markDeleted", "stream", "upsert"
  ],
  PullRequestRepo: ["findByExternalId", "findById", "findByNumber", "getById", "list", "stream", "upsert"],
  IssueWorkflowExecutionRepo: [
    "appendEvents", "create", "insertArtifacts", "linkPullRequest", "replaceDiffFiles", "replaceValidationResults", "upsertSummary"
  ],
  IssueWorkflowLifecycle: ["supervise"],
  SecretVault: ["keyStatus", "retireKey", "rotateKeys", "streamRotation"],
  SandboxAttemptRepo: ["setSnapshot"],
  SandboxRuntimeInstanceRepo: ["listByStatus", "upsert"],
  SandboxLifecycle: ["beginBuild", "failBuild", "finishBuild", "recordRuntime", "supervise"],
  WorkspaceBuildJobRepo: [
    "cancel", "cancelLatestByRunId", "claimBatch", "claimById", "claimNext", "enqueue", "fail", "findById", "findByIdempotencyKey",
    "findLatestByRunId", "findLatestStateByRunId", "getById", "getByLease", "heartbeat", "listByStatus", "listLatestByRunIds",
    "listUnsettled", "markSettled", "reapExpired", "redrive", "release", "stats", "succeed"
  ],
  ControlPlaneEvents: ["acknowledge", "consume", "journal", "position", "read", "tail"],
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

/** The arguments with other strings. */
const replaced = (value: unknown, by: (text: string, key: string) => string, key = ""): unknown => {
  if (typeof value === "string") return by(value, key)
  if (Array.isArray(value)) return value.map((item) => replaced(item, by, key))
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, replaced(item, by, inner)])) : value
}

const replacedIn = (args: Arguments, by: (text: string, key: string) => string) => args.map((arg) => replaced(arg, by))

/** The ids of all rows but users. */
const rowIds = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT t.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
    WHERE t.type = 'table' AND c.name = 'id' AND c.type = 'TEXT' AND t.name <> 'user'`
  const ids = yield* Effect.forEach(tables, ({ name }) => sql<{ readonly id: string }>`SELECT id FROM ${sql(name)}`)
  return new Set(ids.flat().map(({ id }) => id))
}).pipe(Effect.orDie)

const sources = readdirSync(new URL("../../src", import.meta.url), { recursive: true, encoding: "utf8" })

const sourceOf = (name: string) => {
  const file = sources.find((path) => path.endsWith(`/${name}.ts`))
  return file === undefined ? "" : readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
}

describe.each(services)("$name", ({ name, tag }) => {
  it.effect("has no method without an owner, unless it is declared internal", () =>
    Effect.gen(function*() {
      const service = yield* tag
      const samples = samplesOf(yield* makeWorld)[name] ?? {}
      const withoutOwner = Object.keys(service).filter((method) => !hasOwner(samples[method] ?? []))
      expect(withoutOwner.toSorted()).toEqual([...(internal[name] ?? []), ...(ofTheUser[name] ?? [])].toSorted())
      if (internal[name] !== undefined) expect(sourceOf(name).replaceAll("\n * ", " ")).toContain("not for request handlers")
    }).pipe(Effect.provide(layerTest)))

  it.effect("answers a stranger as if the rows did not exist", () =>
    Effect.gen(function*() {
      const service = yield* tag
      const samples = Object.entries(samplesOf(yield* makeWorld)[name] ?? {})
      const ids = yield* rowIds
      const patterns = [...ids].map((id) => new RegExp(`(?<![\\w-])${id}(?![\\w-])`, "g"))
      const withoutIds = (text: string) => patterns.reduce((rest, pattern) => rest.replaceAll(pattern, "nowhere"), text)
      for (const [method, args] of samples) {
        if (!hasOwner(args) || unchecked.has(`${name}.${method}`)) continue
        const stranger = replacedIn(args, (text, key) => key === "ownerUserId" || key === "userId" ? "eve" : text)
        const nowhere = replacedIn(stranger, (text) => ids.has(text) ? "nowhere" : text)
        if (JSON.stringify(nowhere) === JSON.stringify(stranger)) continue
        const [there, missing] = yield* Effect.all([attempt(service, method, stranger), attempt(service, method, nowhere)])
        expect(withoutIds(JSON.stringify(there.outcome)), method).toBe(withoutIds(JSON.stringify(missing.outcome)))
      }
    }).pipe(Effect.provide(layerTest)))
})
