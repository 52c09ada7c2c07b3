/**
 * Webhooks, secrets, profiles and synced repositories, and what must be true of them.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Option, Redacted } from "effect"
import { ProfileRepo } from "../../../../src/profile/ProfileRepo.js"
import { SecretVault } from "../../../../src/secret/SecretVault.js"
import { GitHubInstallationRepositoryRepo } from "../../../../src/github/GitHubInstallationRepositoryRepo.js"
import { WebhookOutcome } from "../../../../src/github/WebhookHandler.js"
import { WebhookInbox } from "../../../../src/github/WebhookInbox.js"
import { shell } from "../../../support/lists.js"
import { runOperation, type Turn } from "../operation.js"
import { doneOf, type Ledger } from "../protocol.js"
import { installationOf, owner, profileId, secretId, slots } from "../database.js"

const receive = ({ name, options }: Turn) =>
  Effect.gen(function* () {
    const inbox = yield* WebhookInbox
    const deliveryId = name()
    yield* runOperation(
      options,
      "receive",
      { deliveryId },
      inbox.receive({ deliveryId, eventType: "push", payload: {}, maxAttempts: 50 }),
      () => ({ deliveryId })
    )
  })

/** Processes a delivery: the writes of the handler and the end of the delivery are stored together. */
export const processAs = (workerId: string, leaseDuration: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const inbox = yield* WebhookInbox
    return yield* inbox.process({ workerId, leaseDuration }, ({ deliveryId }) =>
      Effect.as(
        sql`INSERT INTO effects (delivery, worker) VALUES (${deliveryId}, ${workerId})`,
        WebhookOutcome.processed
      )
    )
  })

const process = ({ options }: Turn) =>
  runOperation(
    options,
    "process",
    {},
    processAs(options.workerId, options.leaseMs),
    Option.match({
      onNone: () => undefined,
      onSome: ({ deliveryId, status }) => ({ deliveryId, status })
    })
  )

const put = ({ name, options }: Turn) =>
  Effect.gen(function* () {
    const vault = yield* SecretVault
    const value = name()
    yield* runOperation(
      options,
      "put",
      {},
      vault.put({ ownerUserId: owner, secretId, value: Redacted.make(value) }),
      ({ version }) => ({ secretId, version, value })
    )
  })

const rotate = ({ options }: Turn) =>
  Effect.gen(function* () {
    const vault = yield* SecretVault
    yield* runOperation(options, "rotate", {}, vault.rotateKeys({ batchSize: 5 }), ({ keyId }) => ({
      key: Number(keyId.slice(1))
    }))
  })

const revise = ({ name, options }: Turn) =>
  Effect.gen(function* () {
    const profiles = yield* ProfileRepo
    const label = name()
    const create = profiles.createRevision({
      profileId,
      ownerUserId: owner,
      configPatch: { env: { LABEL: label } },
      envVars: [{ key: "REGION", value: label }]
    })
    yield* runOperation(options, "revision", { label }, create, ({ revision }) => ({
      profileId,
      revisionId: revision.id,
      label
    }))
  })

const reposOfSync = 7

/** Replaces the repositories of this slot's installation. */
const sync = ({ name, options, random }: Turn) =>
  Effect.gen(function* () {
    const repositories = yield* GitHubInstallationRepositoryRepo
    const generation = name()
    const installationId = installationOf(options.slot)
    const first = random.below(5)
    const all = Array.from({ length: reposOfSync }, (_, index) => ({
      externalRepositoryId: `${installationId} ${first + index}`,
      owner: `acme-${options.slot}`,
      name: `${generation}-${index}`
    }))
    yield* runOperation(
      options,
      "sync",
      { installationId, generation },
      repositories.sync({ installationId, repositories: all }),
      () => ({ installationId, generation })
    )
  })

export const acts = [receive, receive, process, process, put, rotate, revise, sync]

/** Processes all due deliveries until none is left. */
export const reconcile = Effect.gen(function* () {
  while (Option.isSome(yield* processAs("last", 60_000)));
  const left = yield* shell<{ readonly n: number }>(
    "SELECT count(*) AS n FROM github_webhook_deliveries WHERE status IN ('received', 'processing')"
  )
  return left.flatMap(({ n }) => (n > 0 ? [`${n} deliveries wait for ever`] : []))
})

const rules: Readonly<Record<string, string>> = {
  "an effect of a delivery twice": "SELECT delivery AS id FROM effects GROUP BY delivery HAVING count(*) > 1",
  "an effect of a delivery that was not processed": `
    SELECT delivery AS id FROM effects WHERE delivery NOT IN (SELECT delivery_id FROM github_webhook_deliveries WHERE status = 'processed')`,
  "a processed delivery without effect": `
    SELECT delivery_id AS id FROM github_webhook_deliveries WHERE status = 'processed' AND delivery_id NOT IN (SELECT delivery FROM effects)`,
  "versions of a secret with a gap":
    "SELECT secret_id AS id FROM secret_versions GROUP BY secret_id HAVING max(version) <> count(*)",
  "two active keys, or none": "SELECT count(*) AS id FROM encryption_keys WHERE status = 'active' HAVING count(*) <> 1",
  "revisions with a gap":
    "SELECT profile_id AS id FROM profile_revisions GROUP BY profile_id HAVING max(version) <> count(*)",
  "half a revision": `
    SELECT id FROM profile_revisions AS r WHERE config_patch ->> '$.env.LABEL' IS NOT (
      SELECT value FROM profile_env_vars WHERE profile_revision_id = r.id)`
}

/** Rows that differ from the acknowledged operations, and inconsistent rows. */
export const checkInvariants = (ledger: Ledger) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    for (const [rule, text] of Object.entries(rules)) {
      for (const { id } of yield* shell<{ readonly id: string }>(text)) found.push(`${rule}: ${id}`)
    }
    const deliveries = yield* shell<{ readonly id: string; readonly status: string }>(
      "SELECT delivery_id AS id, status FROM github_webhook_deliveries"
    )
    const statusOf = new Map(deliveries.map(({ id, status }) => [id, status]))
    for (const { deliveryId } of doneOf(ledger, "receive"))
      if (!statusOf.has(deliveryId)) found.push(`the delivery ${deliveryId} is lost`)
    for (const { deliveryId, status } of doneOf(ledger, "process")) {
      if (status === "processed" && statusOf.get(deliveryId) !== "processed")
        found.push(`the end of ${deliveryId} is lost`)
    }

    const vault = yield* SecretVault
    for (const { value, version } of doneOf(ledger, "put")) {
      const shown = yield* Effect.option(vault.reveal({ ownerUserId: owner, secretId, version }))
      if (Option.getOrUndefined(Option.map(shown, Redacted.value)) !== value)
        found.push(`version ${version} of the secret is lost`)
    }
    const active = (yield* vault.keyStatus).flatMap(({ key }) =>
      key.status === "active" ? [Number(key.id.slice(1))] : []
    )
    for (const { key } of doneOf(ledger, "rotate"))
      if ((active[0] ?? 0) < key) found.push(`the rotation to k${key} is lost`)

    const revisions = yield* shell<{ readonly id: string; readonly label: string }>(
      "SELECT id, config_patch ->> '$.env.LABEL' AS label FROM profile_revisions"
    )
    const labelOf = new Map(revisions.map(({ id, label }) => [id, label]))
    for (const { label, revisionId } of doneOf(ledger, "revision"))
      if (labelOf.get(revisionId) !== label) found.push(`the revision ${label} is lost`)
    for (let slot = 0; slot < slots; slot++) found.push(...(yield* syncIssues(ledger, installationOf(slot))))
    return found
  })

/**
 * An installation has one complete set: of a sync without a result, or of one that no acknowledged sync followed. Several may
 * run in one process.
 */
const syncIssues = (ledger: Ledger, installationId: string) =>
  Effect.gen(function* () {
    const seen = yield* shell<{ readonly name: string }>(
      "SELECT name FROM github_installation_repositories WHERE installation_id = ? AND removed_at IS NULL",
      installationId
    )
    const times = new Map<string, { readonly begun: number; done?: number }>()
    for (const [index, report] of ledger.entries()) {
      if (report.type === "begun" && report.operation === "sync" && report.known["installationId"] === installationId) {
        times.set(report.known["generation"] ?? "", { begun: index })
      }
      const known =
        report.type === "done" && "generation" in report.facts ? times.get(report.facts.generation) : undefined
      if (known !== undefined) known.done = index
    }
    const acknowledged = [...times.values()].filter(({ done }) => done !== undefined)
    if (seen.length === 0 && acknowledged.length === 0) return []
    const generations = [...new Set(seen.map(({ name }) => name.slice(0, name.lastIndexOf("-"))))]
    const time = times.get(generations[0] ?? "")
    // The sync was started after the ledger was read.
    const isWhole = generations.length === 1 && seen.length === reposOfSync
    const isOver = acknowledged.some(({ begun }) => begun > (time?.done ?? Infinity))
    return isWhole && !isOver ? [] : [`${installationId} sees ${seen.length} of ${generations.join(", ")}`]
  })
