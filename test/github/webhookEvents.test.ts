/**
 * Events of GitHub that change the identity or the access of stored rows: transfers, renames, visibility, deletion.
 */
import type { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { GitHubInstallationRepo, GitHubInstallationRepositoryRepo, UserRepo } from "@sealant/db"
import { Effect, FastCheck as fc, Layer, Option, TestClock } from "effect"
import { shell } from "../support/lists.js"
import {
  about,
  changed,
  deliver,
  type Input,
  installation,
  instant,
  issue,
  known,
  layers,
  pull,
  receive,
  process,
  ref,
  type Services
} from "./payloads.js"
import { volume } from "../support/volume.js"

const withInstallation = ({ event, payload }: Input, more: object = {}): Input => ({
  event,
  payload: { ...payload, installation: { id: 7 }, ...more }
})

/** A report of repository 1. */
const repository = (action: string, seconds: number, more: object = {}): Input => ({
  event: "repository",
  payload: {
    action,
    repository: {
      id: 1,
      full_name: "acme/r1",
      private: true,
      default_branch: "main",
      archived: false,
      html_url: "https://github.com/acme/r1",
      updated_at: instant(seconds),
      ...more
    }
  }
})

const moved = { id: 21, number: 5, html_url: "https://github.com/acme/r2/issues/5" }

/** The report of a transfer from the old repository. */
const transferred = (seconds: number, newRepository = 2): Input => {
  const { payload } = issue("transferred", seconds, moved)
  return withInstallation(issue("transferred", seconds), {
    changes: { new_issue: payload["issue"], new_repository: { id: newRepository } }
  })
}

/** The report of a transfer from the new repository. */
const arrived = (seconds: number): Input =>
  withInstallation(issue("opened", seconds, moved), { repository: { id: 2 }, changes: { old_issue: { id: 11 } } })

const inNew = (action: string, seconds: number, more: object = {}): Input =>
  withInstallation(issue(action, seconds, { ...moved, ...more }), { repository: { id: 2 } })

const installed = installation("created", { repositories: [ref(1), ref(2)] })

const storedIssues = shell<Record<string, unknown>>(
  "SELECT id, external_id, number, repository_id, title, state FROM issues"
)

const repositoryId = (externalId: string) =>
  Effect.map(
    shell<{ readonly id: string }>("SELECT id FROM repositories WHERE external_id = ?1", externalId),
    ([row]) => row?.id ?? ""
  )

const suite = (name: string, layer: Layer.Layer<Services | SqlClient.SqlClient>) =>
  describe(`GitHubWebhooks (${name})`, () => {
    it.effect.each([
      ["its old repository first", [transferred(20), arrived(20)]],
      ["its new repository first", [arrived(20), transferred(20)]]
    ] as const)("keeps the row of an issue whose transfer is reported by %s", ([, transfer]) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(installed, withInstallation(issue("opened", 10)))
        const [before] = yield* storedIssues
        yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
          SELECT 'wf', id, repository_id, 0, 0 FROM issues`)
        expect(yield* deliver(...transfer)).toEqual(["processed", "processed"])
        expect(yield* storedIssues).toMatchObject([
          { id: before?.["id"], external_id: "21", number: 5, repository_id: yield* repositoryId("2"), state: "open" }
        ])
        expect(yield* shell("SELECT status, issue_id FROM issue_workflows")).toEqual([
          { status: "active", issue_id: before?.["id"] }
        ])
        yield* deliver(inNew("closed", 30, { state: "closed", closed_at: instant(30) }))
        expect(yield* storedIssues).toMatchObject([{ id: before?.["id"], state: "closed" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("merges the row of a transferred issue that was reported under its new id before", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(
          installed,
          withInstallation(issue("opened", 10)),
          pull("opened", 10),
          inNew("labeled", 40, { title: "New title" })
        )
        expect(yield* storedIssues).toHaveLength(2)
        yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
          SELECT 'wf-' || external_id, id, repository_id, 0, 0 FROM issues`)
        yield* shell(`INSERT INTO issue_pull_request_links (issue_id, pull_request_id, linked_at)
          SELECT i.id, p.id, 0 FROM issues AS i, pull_requests AS p`)
        yield* deliver(transferred(20), arrived(20))
        expect(yield* storedIssues).toMatchObject([{ external_id: "21", number: 5, title: "New title" }])
        expect(yield* shell("SELECT id, status, cancel_reason FROM issue_workflows ORDER BY id")).toEqual([
          { id: "wf-11", status: "active", cancel_reason: null },
          { id: "wf-21", status: "cancelled", cancel_reason: "the issue was transferred with an active workflow" }
        ])
        expect(yield* shell("SELECT count(*) AS n FROM issue_pull_request_links")).toEqual([{ n: 1 }])
        expect(
          yield* shell(
            "SELECT subject_id, event_type, to_state FROM control_plane_events WHERE subject_type = 'workflow'"
          )
        ).toEqual([{ subject_id: "wf-21", event_type: "transferIssue", to_state: "cancelled" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect("treats an issue that was transferred to a repository that is not stored as deleted", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(installed, withInstallation(issue("opened", 10)))
        yield* shell(`INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at)
          SELECT 'wf', id, repository_id, 0, 0 FROM issues`)
        expect(yield* deliver(transferred(20, 99))).toEqual(["processed"])
        expect(yield* storedIssues).toMatchObject([{ external_id: "11", state: "closed" }])
        expect(yield* shell("SELECT status FROM issue_workflows")).toEqual([{ status: "cancelled" }])
      }).pipe(Effect.provide(layer))
    )

    it.effect.each(["labeled", "unlabeled", "assigned", "unassigned", "edited"])(
      "stores the issue and the pull request of `%s`",
      (action) =>
        Effect.gen(function* () {
          yield* deliver(installed)
          expect(
            yield* deliver(issue(action, 10, { title: "Now" }), pull(action, 10, { title: "Now", draft: true }))
          ).toEqual(["processed", "processed"])
          expect(yield* known).toMatchObject({
            issues: [{ title: "Now" }],
            pulls: [{ title: "Now", state: "draft" }]
          })
        }).pipe(Effect.provide(layer))
    )

    it.effect("ignores unknown actions whatever their payload is", () =>
      Effect.gen(function* () {
        const wrong = (event: string): Input => ({ event, payload: { action: "pinned", issue: "s3cr3t" } })
        const events = ["issues", "pull_request", "repository", "installation", "installation_repositories"]
        expect(yield* deliver(...events.map(wrong))).toEqual(events.map(() => "ignored: not handled: pinned"))
      }).pipe(Effect.provide(layer))
    )

    it.effect("a report of a repository changes the rows that users list at once", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(installed)
        const { id: userId } = yield* (yield* UserRepo).create({ id: "ada", email: "ada@acme.com", name: "Ada" })
        const installations = yield* GitHubInstallationRepo
        const { id: installationId } = Option.getOrThrow(yield* installations.findByExternalId("7"))
        yield* installations.grantToUser({ installationId, userId })
        const repositories = yield* GitHubInstallationRepositoryRepo
        const listed = Effect.map(repositories.listForUser({ userId, search: "/new" }), ({ items }) => items)
        const steps = [
          [repository("renamed", 2000, { full_name: "acme/new" }), { fullName: "acme/new", name: "new" }],
          [repository("publicized", 2010, { full_name: "acme/new", private: false }), { isPrivate: false }],
          [repository("privatized", 2020, { full_name: "acme/new" }), { isPrivate: true }],
          [repository("archived", 2030, { full_name: "acme/new", archived: true }), { isArchived: true }],
          [repository("unarchived", 2040, { full_name: "acme/new" }), { isArchived: false }],
          [repository("edited", 2050, { full_name: "acme/new", default_branch: "dev" }), { defaultBranch: "dev" }],
          [repository("transferred", 2060, { full_name: "else/new" }), { owner: "else", fullName: "else/new" }]
        ] as const
        for (const [event, expected] of steps) {
          expect(yield* deliver(event)).toEqual(["processed"])
          expect(yield* listed).toMatchObject([expected])
        }
        expect(yield* deliver(repository("privatized", 2055))).toEqual(["ignored: newer information is already stored"])
        const [row] = yield* listed
        expect(row).toMatchObject({ fullName: "else/new" })

        expect(yield* deliver(repository("deleted", 2060))).toEqual(["processed"])
        expect(yield* listed).toEqual([])
        expect(yield* repositories.mayUse({ userId, repositoryId: yield* repositoryId("1") })).toBe(false)
      }).pipe(Effect.provide(Layer.provideMerge(UserRepo.layer, layer)))
    )

    it.effect("an addition from before the deletion of a repository does not restore it", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(installed)
        yield* receive(changed([1], []), "late")
        yield* shell("UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id = 'late'", 2_000_000)
        yield* deliver(changed([], [1]), repository("deleted", 500))
        yield* TestClock.setTime(3_000_000)
        expect(yield* process).toBe("processed")
        expect((yield* known).sees).toEqual(["acme/r2"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a renamed account gives its installation the new login, and earlier deliveries do not revert it", () =>
      Effect.gen(function* () {
        const rename = (event: string, login: string, more: object = {}): Input => {
          const account = { id: 1, login, ...more }
          return {
            event,
            payload: {
              action: "renamed",
              changes: { login: { from: "acme" } },
              installation: { id: 7 },
              ...(event === "organization" ? { organization: account } : { account })
            }
          }
        }
        const login = Effect.map(
          shell<{ readonly login: string }>("SELECT account_login AS login FROM github_app_installations"),
          ([row]) => row?.login
        )
        expect(yield* deliver(rename("organization", "first"))).toEqual(["ignored: the installation is not known"])
        yield* deliver(installed)
        expect(yield* deliver(rename("organization", "second"))).toEqual(["processed"])
        expect(yield* login).toBe("second")
        expect(yield* deliver(rename("organization", "other", { id: 2 }))).toEqual([
          "ignored: the account is not that of the installation"
        ])

        yield* TestClock.adjust("1 second")
        yield* receive(rename("organization", "late"), "late")
        yield* receive(installation("new_permissions_accepted"), "permissions")
        yield* shell(
          "UPDATE github_webhook_deliveries SET available_at = ?1 WHERE delivery_id IN ('late', 'permissions')",
          600_000
        )
        expect(yield* deliver(rename("installation_target", "third"))).toEqual(["processed"])
        yield* TestClock.adjust("1 hour")
        expect([yield* process, yield* process].toSorted()).toEqual([
          "ignored: newer information is already stored",
          "processed"
        ])
        expect(yield* login).toBe("third")
      }).pipe(Effect.provide(layer))
    )

    it.effect("stores an installation on an enterprise, which has a slug and no login", () =>
      Effect.gen(function* () {
        const enterprise = about({ account: { id: 1, slug: "acme-inc", name: "Acme" }, target_type: "Enterprise" })
        expect(yield* deliver(installation("created", { installation: enterprise, repositories: [] }))).toEqual([
          "processed"
        ])
        expect(Option.getOrThrow(yield* (yield* GitHubInstallationRepo).findByExternalId("7"))).toMatchObject({
          accountLogin: "acme-inc",
          accountType: "organization"
        })
        const nameless = about({ account: { id: 1 } })
        expect(yield* deliver(installation("created", { installation: nameless }))).toEqual([
          "failed: invalid payload: installation.account.login"
        ])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)

describe("the deliveries of a transferred issue", () => {
  const all = [
    withInstallation(issue("opened", 10)),
    withInstallation(issue("edited", 15, { title: "Edited" })),
    transferred(20),
    arrived(20),
    inNew("labeled", 25, { title: "Labeled" }),
    inNew("closed", 30, { title: "Closed", state: "closed", closed_at: instant(30) })
  ]
  const order = fc.shuffledSubarray(
    all.map((_, index) => index),
    { minLength: all.length }
  )

  it.effect.prop(
    "leave one row in any order",
    [order],
    ([order]) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        yield* deliver(installed)
        const outcomes = yield* deliver(...order.flatMap((index) => all[index] ?? []))
        expect(outcomes.filter((outcome) => outcome.startsWith("failed") || outcome.startsWith("received"))).toEqual([])
        expect(yield* storedIssues).toMatchObject([
          { external_id: "21", number: 5, title: "Closed", state: "closed", repository_id: yield* repositoryId("2") }
        ])
      }).pipe(Effect.provide(layers.memory)),
    { fastCheck: { numRuns: volume(60, 15) } }
  )
})
