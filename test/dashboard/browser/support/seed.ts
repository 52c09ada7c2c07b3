/**
 * Data of a small control plane that has run for an hour and a half, written through the public services with a clock of
 * its own: launches by three users, two workers of which one died, executions, deliveries, secrets.
 */
import { SqlClient, type Statement } from "@effect/sql"
import {
  IssueRepo,
  IssueWorkflowLifecycle,
  PullRequestRepo,
  RepositoryRepo,
  SandboxLifecycle,
  SecretVault,
  UserRepo,
  WorkspaceBuildJobRepo
} from "@sealant/db"
import type { Lease } from "@sealant/db/build-job"
import { Factories } from "@sealant/db/testing"
import { Clock, DateTime, Effect, Option, Redacted } from "effect"
import { executionLog } from "./executionLog.js"

const { make } = Factories

const minute = 60_000

/** A clock that stands at a time until it is set. Sleeps take real time. */
const clockAt = (start: number) => {
  let now = start
  const currentTimeMillis = Effect.sync(() => now)
  const clock: Clock.Clock = Object.assign(Clock.make(), {
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(now) * 1_000_000n,
    currentTimeMillis,
    currentTimeNanos: Effect.map(currentTimeMillis, (time) => BigInt(time) * 1_000_000n)
  })
  return { clock, set: (time: number) => (now = time) }
}

const users = [
  ["user_ada", "Ada"],
  ["user_grace", "Grace"],
  ["user_linus", "Linus"]
] as const

const projects = ["storefront", "billing", "docs", "gateway", "search", "mailer"] as const

const at = <const List extends readonly [unknown, ...ReadonlyArray<unknown>]>(
  list: List,
  index: number
): List[number] => list[index % list.length] ?? list[0]

interface Running {
  readonly lease: Lease
  readonly endsAt: number
}

const problems = [
  { errorCode: "build-failed", errorMessage: "step 4 of 9 failed: npm ci exited with code 1", retryable: false },
  { errorCode: "registry-unavailable", errorMessage: "the registry answered 503 for 30 s", retryable: true }
] as const

const digest = "sha256:4f5a8b1c0d9e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"

/** Ends a build: nearly all succeed, with a runtime. */
const endBuild = (lease: Lease, number: number) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const project = at(projects, number)
    if (number % 7 === 3) return yield* lifecycle.failBuild(lease, at(problems, number))
    return yield* lifecycle.finishBuild(lease, {
      executorId: "buildkit",
      publishedReference: `registry.example.com/acme/${project}:v${number}`,
      publishedDigestReference: `registry.example.com/acme/${project}@${digest}`,
      publishedDigest: digest,
      runtime: {
        adapter: "docker",
        resourceId: `container-${number}`,
        reference: `docker:container-${number}`,
        status: "running"
      }
    })
  })

/** A worker: its name, and the time from which on it is dead. */
const workers = [
  { workerId: "worker-a", diesAt: -14 },
  { workerId: "worker-b", diesAt: Number.POSITIVE_INFINITY },
  { workerId: "worker-c", diesAt: Number.POSITIVE_INFINITY }
]

const launch = (number: number) =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const project = at(projects, number)
    const [ownerUserId] = at(users, number)
    return yield* lifecycle.launch({
      ownerUserId,
      name: `${project}-${number}`,
      spec: { source: `https://github.com/acme/${project}`, harness: number % 2 === 0 ? "opencode" : "codex" },
      registryId: "registry.example.com",
      repository: `acme/${project}`,
      tag: `v${number}`,
      repositoryId: `repo_${project}`,
      lifetime: "8 hours"
    })
  })

/** Launches and builds, minute by minute. */
const simulate = (minutes: number, start: number, setClock: (time: number) => void) =>
  Effect.gen(function* () {
    const jobs = yield* WorkspaceBuildJobRepo
    const lifecycle = yield* SandboxLifecycle
    const held = new Map<string, Array<Running>>()
    let launched = 0
    let built = 0
    for (let passed = 0; passed < minutes; passed++) {
      const now = start + passed * minute
      setClock(now)
      const launches = passed % 5 === 0 ? 3 : passed % 2
      for (let count = 0; count < launches; count++) {
        launched += 1
        yield* launch(launched)
      }
      for (const { diesAt, workerId } of workers) {
        if (passed - minutes >= diesAt) continue
        const running = held.get(workerId) ?? []
        for (const { endsAt, lease } of running.filter(({ endsAt }) => endsAt <= now)) {
          setClock(endsAt)
          built += 1
          yield* endBuild(lease, built)
        }
        setClock(now + 5000)
        const kept = running.filter(({ endsAt }) => endsAt > now)
        for (const { lease } of kept) yield* jobs.heartbeat(lease, "3 minutes")
        const claimed =
          kept.length < 2 ? yield* jobs.claimNext({ workerId, leaseDuration: "3 minutes" }) : Option.none()
        if (Option.isSome(claimed)) {
          yield* lifecycle.beginBuild(claimed.value.lease)
          kept.push({ lease: claimed.value.lease, endsAt: now + (2 + (built % 3)) * minute })
        }
        held.set(workerId, kept)
      }
      yield* lifecycle.supervise({ limit: 100, runtimeDeadline: "10 minutes" })
    }
  })

const workflowTitles = [
  ["The cart forgets its items after a login", "succeeded", "completed"],
  ["Invoices round cents the wrong way", "failed", "failed"],
  ["Add a dark theme to the documentation", "cancelled", undefined]
] as const

const workOn = (index: number, title: string) =>
  Effect.gen(function* () {
    const issues = yield* IssueRepo
    const lifecycle = yield* IssueWorkflowLifecycle
    const project = at(projects, index)
    const [ownerUserId] = at(users, index)
    const issue = yield* issues.upsert({ repositoryId: `repo_${project}`, number: 7 + index, title })
    const { workflow } = yield* lifecycle.open({ issueId: issue.id, ownerUserId })
    const { execution } = yield* lifecycle.startExecution({
      issueWorkflowId: workflow.id,
      ownerUserId,
      requestedByUserId: ownerUserId,
      triggerType: "api",
      launch: {
        name: `agent-${project}`,
        spec: { source: `https://github.com/acme/${project}`, harness: "codex" },
        registryId: "registry.example.com",
        repository: `acme/${project}`,
        tag: `issue-${7 + index}`
      }
    })
    yield* lifecycle.beginExecution(execution.id)
    return { execution, workflow, project, ownerUserId }
  })

/** An agent at work: its log, its files, its checks, its summary and its pull request. */
const activeExecution = Effect.gen(function* () {
  const lifecycle = yield* IssueWorkflowLifecycle
  const pulls = yield* PullRequestRepo
  const { execution, project, workflow } = yield* workOn(0, "Merge the carts of a guest and a customer")
  yield* lifecycle.report({
    executionId: execution.id,
    events: executionLog,
    validationResults: [
      { checkKey: "typecheck", status: "pass", durationMs: 8200, message: "no error" },
      { checkKey: "test", status: "pass", durationMs: 42_300, message: "312 tests" },
      { checkKey: "lint", status: "warn", durationMs: 2100, message: "2 warnings in src/cart/merge.ts" }
    ],
    diffFiles: [
      { changeType: "added", path: "src/cart/merge.ts", additions: 88 },
      { changeType: "modified", path: "src/cart/store.ts", additions: 21, deletions: 9 },
      {
        changeType: "renamed",
        path: "test/cart/merge.test.ts",
        oldPath: "test/cart.test.ts",
        additions: 46,
        deletions: 5
      },
      { changeType: "deleted", path: "src/cart/legacy.ts", deletions: 130 }
    ],
    artifacts: [
      {
        id: "art_coverage",
        kind: "validation-report",
        contentType: "application/json",
        inlineJson: { lines: 0.94, branches: 0.88 }
      },
      { id: "art_trace", kind: "log", storageBackend: "s3", storageKey: "traces/merge.json.gz", byteSize: 182_000 }
    ],
    summary: {
      objective: "Keep the items of a guest after the login",
      linkedIssueRef: `acme/${project}#7`,
      filesChanged: 4,
      additions: 155,
      deletions: 144,
      assumptions: ["A cart of a guest is at most a day old"],
      warnings: ["The quantity of an item is limited to 99"],
      summaryMarkdown:
        "The cart was keyed by the session, which changes at the login.\n\n- Both carts are merged by item.\n- The older cart is deleted in the same transaction."
    }
  })
  const pull = yield* pulls.upsert({
    repositoryId: `repo_${project}`,
    number: 41,
    title: "Merge carts at login",
    state: "open",
    headBranch: "agent/merge-carts",
    baseBranch: "main"
  })
  return { executionId: execution.id, workflowId: workflow.id, pullRequestId: pull.id }
})

const endedExecutions = Effect.forEach(workflowTitles, ([title, outcome, workflow], index) =>
  Effect.gen(function* () {
    const lifecycle = yield* IssueWorkflowLifecycle
    const { execution } = yield* workOn(index + 1, title)
    yield* lifecycle.report({
      executionId: execution.id,
      events: [{ phase: "plan", eventType: "step", message: "read the issue" }]
    })
    yield* lifecycle.finish({
      executionId: execution.id,
      outcome,
      ...(outcome === "succeeded" ? {} : { reason: "the tests did not pass" }),
      ...(workflow === undefined ? {} : { workflow })
    })
  })
)

const deliveries = (now: number) =>
  Effect.forEach(
    Array.from({ length: 40 }, (_, index) => index),
    (index) =>
      make.webhookDelivery({
        deliveryId: `4a1e${String(index).padStart(4, "0")}-7c22-11ef-9d3e-2b6f0c8d11aa`,
        eventType: at(["issues", "pull_request", "installation", "repository"], index),
        action: at(["opened", "closed", "created", "renamed"], index),
        installationExternalId: "4410",
        payload: { action: "opened", installation: { id: 4410 }, repository: { full_name: "acme/storefront" } },
        receivedAt: DateTime.unsafeMake(now - (40 - index) * 70_000),
        status: index > 37 ? "received" : index % 11 === 5 ? "failed" : index % 5 === 2 ? "ignored" : "processed"
      }),
    { discard: true }
  )

const secrets = Effect.gen(function* () {
  const vault = yield* SecretVault
  for (const name of ["NPM_TOKEN", "GITHUB_APP_KEY", "REGISTRY_PASSWORD", "SENTRY_DSN"])
    yield* vault.create({ ownerUserId: "user_ada", name, value: Redacted.make(`value of ${name}`) })
})

/** The ids of rows that tests open. */
export interface Seeded {
  readonly executionId: string
  readonly workflowId: string
  readonly failedJobId: string
  readonly sandboxId: string
  readonly deliveryId: string
}

const examples = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const idOf = (statement: Statement.Statement<{ readonly id: string }>) =>
    Effect.map(statement, ([row]) => row?.id ?? "missing")
  return {
    failedJobId: yield* idOf(sql`
      SELECT id FROM oci_image_build_jobs WHERE status = 'failed' AND error_code = 'build-failed'
      ORDER BY created_at DESC LIMIT 1`),
    sandboxId: yield* idOf(sql`
      SELECT id FROM sandboxes WHERE status = 'ready' AND name NOT LIKE 'agent%' ORDER BY created_at DESC LIMIT 1`),
    deliveryId: yield* idOf(sql`SELECT id FROM github_webhook_deliveries WHERE status = 'failed' LIMIT 1`)
  }
})

/** Writes the data. `now` is the time at which it ends, 90 minutes after its begin. Returns the ids that tests need. */
export const seed = (now: number) =>
  Effect.gen(function* () {
    const { clock, set } = clockAt(now - 90 * minute)
    return yield* Effect.gen(function* () {
      const accounts = yield* UserRepo
      const repositories = yield* RepositoryRepo
      for (const [id, name] of users) yield* accounts.create({ id, name, email: `${name.toLowerCase()}@example.com` })
      for (const name of projects)
        yield* repositories.upsert({ id: `repo_${name}`, provider: "github", owner: "acme", name, openToAll: true })
      yield* secrets
      yield* simulate(90, now - 90 * minute, set)
      set(now - 6 * minute)
      yield* endedExecutions
      const execution = yield* activeExecution
      yield* deliveries(now)
      set(now)
      return { ...execution, ...(yield* examples) }
    }).pipe(Effect.withClock(clock))
  })
