import { describe, expect, it } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option, TestClock } from "effect"
import { UserId } from "../../src/auth/User.js"
import {
  GitHubInstallationId,
  GitHubInstallationStatus,
  gitHubInstallationTransitions
} from "../../src/github/GitHubInstallation.js"
import { GitHubInstallationRepo } from "../../src/github/GitHubInstallationRepo.js"
import { followsTransitions } from "../support/transitions.js"
import { ada, badNames, eve, layers, pages, refusalOf, type Services, shell, tagOf } from "./support.js"

const acme = { externalInstallationId: "1", accountLogin: "acme", accountType: "organization" } as const
const gone = GitHubInstallationId.make("gone")
const at = (millis: number) => DateTime.unsafeMake(millis)

/** The contract of `GitHubInstallationRepo`. */
const suite = (name: string, layer: Layer.Layer<Services>) =>
  describe(`GitHubInstallationRepo (${name})`, () => {
    it.effect("stores every field of the input", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        yield* TestClock.setTime(1000)
        const small = yield* repo.upsert(acme)
        expect(small.id).toMatch(/^ghi_/)
        expect(small).toMatchObject({
          ...acme,
          provider: "github",
          status: "active",
          permissions: {},
          repositorySelection: "all",
          externalAccountId: Option.none(),
          targetType: Option.none(),
          installedAt: Option.some(at(1000)),
          suspendedAt: Option.none(),
          lastSyncedAt: Option.none()
        })
        const full = yield* repo.upsert({
          id: "given",
          provider: "gitlab",
          externalInstallationId: "2",
          externalAccountId: "22",
          accountLogin: "ada",
          accountType: "user",
          targetType: "user",
          status: "suspended",
          permissions: { contents: "read" },
          repositorySelection: "selected",
          installedAt: at(1),
          suspendedAt: at(2),
          lastSyncedAt: at(3)
        })
        expect(full).toMatchObject({
          id: "given",
          provider: "gitlab",
          externalAccountId: Option.some("22"),
          targetType: Option.some("user"),
          status: "suspended",
          permissions: { contents: "read" },
          repositorySelection: "selected",
          installedAt: Option.some(at(1)),
          suspendedAt: Option.some(at(2)),
          lastSyncedAt: Option.some(at(3))
        })
        for (const installation of [small, full]) {
          expect(yield* repo.findById(installation.id)).toEqual(Option.some(installation))
          expect(yield* repo.getById(installation.id)).toEqual(installation)
          expect(yield* repo.findByExternalId(installation.externalInstallationId)).toEqual(Option.some(installation))
        }
        expect(yield* repo.findById(gone)).toEqual(Option.none())
        expect(yield* repo.findByExternalId("3")).toEqual(Option.none())
        expect(yield* refusalOf(repo.getById(gone))).toMatchObject({
          _tag: "NotFound",
          entity: "GitHubInstallation",
          id: "gone"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps absent fields and the installation date, and clears null fields", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const details = {
          externalAccountId: "9",
          targetType: "organization",
          permissions: { issues: "write", contents: "read" }
        } as const
        const first = yield* repo.upsert({ ...acme, ...details, installedAt: at(5), lastSyncedAt: at(6) })
        yield* TestClock.adjust("1 second")
        expect(yield* repo.upsert(acme)).toEqual(first)
        expect(yield* repo.upsert({ ...acme, permissions: { contents: "read", issues: "write" } })).toEqual(first)
        expect(yield* repo.upsert({ ...acme, id: first.id, installedAt: at(500) })).toEqual(first)
        expect(yield* repo.upsert({ ...acme, lastSyncedAt: at(7) })).toMatchObject({
          lastSyncedAt: Option.some(at(7)),
          updatedAt: first.updatedAt
        })
        const changed = yield* repo.upsert({
          ...acme,
          accountLogin: "acme-inc",
          externalAccountId: null,
          targetType: null,
          lastSyncedAt: null,
          permissions: {}
        })
        expect(changed).toMatchObject({
          id: first.id,
          accountLogin: "acme-inc",
          externalAccountId: Option.none(),
          targetType: Option.none(),
          lastSyncedAt: Option.none(),
          permissions: {},
          installedAt: Option.some(at(5)),
          createdAt: at(0),
          updatedAt: at(1000)
        })
        // One that was carried over without it learns it.
        yield* shell("UPDATE github_app_installations SET installed_at = NULL")
        expect((yield* repo.upsert(acme)).installedAt).toEqual(Option.none())
        expect((yield* repo.upsert({ ...acme, installedAt: at(8) })).installedAt).toEqual(Option.some(at(8)))
        expect(yield* refusalOf(repo.upsert({ ...acme, id: first.id, externalInstallationId: "2" }))).toMatchObject({
          _tag: "AlreadyExists",
          constraint: "github_app_installations.id"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("accepts every status in every status: deleted stays deleted until it is installed again", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        let count = 0
        for (const from of GitHubInstallationStatus.literals) {
          for (const told of [undefined, ...GitHubInstallationStatus.literals]) {
            for (const reinstalled of told === undefined || told === "active" ? [false, true] : [false]) {
              yield* TestClock.adjust("1 second")
              const one = { ...acme, externalInstallationId: `i${count++}` }
              const before = yield* repo.upsert({ ...one, status: from, suspendedAt: at(1) })
              yield* TestClock.adjust("1 second")
              const after = yield* repo.upsert({ ...one, reinstalled, ...(told === undefined ? {} : { status: told }) })
              const expected = reinstalled ? "active" : from === "deleted" ? from : (told ?? from)
              expect(after.status, `${from}, told ${told}`).toBe(expected)
              const suspendedAt =
                expected !== "suspended"
                  ? Option.none()
                  : from === "suspended"
                    ? Option.some(at(1))
                    : Option.some(after.updatedAt)
              expect(after.suspendedAt).toEqual(suspendedAt)
              expect(after.updatedAt.epochMillis).toBe(before.updatedAt.epochMillis + (expected === from ? 0 : 1000))
              expect(after.installedAt).toEqual(before.installedAt)
            }
          }
        }
        for (const status of ["suspended", "deleted"] as const) {
          expect(yield* refusalOf(repo.upsert({ ...acme, reinstalled: true, status }))).toMatchObject({
            _tag: "InvalidInput",
            issues: [expect.stringMatching(/^status: /)]
          })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("follows the declared transitions only", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        let count = 0
        for (const to of GitHubInstallationStatus.literals) {
          yield* followsTransitions({
            entity: "GitHubInstallation",
            machine: gitHubInstallationTransitions,
            to,
            run: (id) => repo.setStatus({ id, status: to }),
            rowIn: (status) => repo.upsert({ ...acme, externalInstallationId: `i${count++}`, status }),
            getById: repo.getById
          })
        }
        for (const from of GitHubInstallationStatus.literals) {
          for (const to of GitHubInstallationStatus.literals) {
            const { id } = yield* repo.upsert({ ...acme, externalInstallationId: `i${count++}`, status: from })
            const clear = to === "active" ? ", suspended_at = NULL" : ""
            const taken = yield* Effect.isSuccess(
              shell(`UPDATE github_app_installations SET status = ?${clear} WHERE id = ?`, to, id)
            )
            expect(taken, `${from} → ${to}`).toBe(from === to || gitHubInstallationTransitions.allows(from, to))
          }
        }
        const { id } = yield* repo.upsert(acme)
        const suspended = yield* repo.setStatus({ id, status: "suspended" })
        expect(suspended.suspendedAt).toEqual(Option.some(suspended.updatedAt))
        expect((yield* repo.setStatus({ id, status: "active" })).suspendedAt).toEqual(Option.none())
        expect(yield* tagOf(repo.setStatus({ id: gone, status: "active" }))).toBe("NotFound")
        expect(yield* tagOf(repo.setStatus({ id, status: "dead" as "active" }))).toBe("InvalidInput")
      }).pipe(Effect.provide(layer))
    )

    it.effect("creates one row when many callers write the same installation", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const stored = yield* Effect.forEach(
          Array.from({ length: 30 }, () => acme),
          repo.upsert,
          { concurrency: "unbounded" }
        )
        expect(new Set(stored.map(({ id }) => id)).size).toBe(1)
        expect((yield* repo.listActive({})).items).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("grants access, revokes it once, and grants it again", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const { id: installationId } = yield* repo.upsert(acme)
        const own = { installationId, userId: ada }
        expect(yield* repo.userHasGrant(own)).toBe(false)
        yield* TestClock.setTime(1000)
        const granted = yield* repo.grantToUser({ ...own, grantedByUserId: eve })
        expect(granted).toMatchObject({
          ...own,
          grantedByUserId: Option.some(eve),
          grantedAt: at(1000),
          revokedAt: Option.none()
        })
        yield* TestClock.setTime(2000)
        expect(yield* repo.grantToUser(own)).toEqual(granted)
        expect(yield* repo.userHasGrant(own)).toBe(true)
        expect(yield* repo.userHasGrant({ installationId, userId: eve })).toBe(false)

        const revoked = yield* repo.revokeGrant(own)
        expect(revoked).toMatchObject({ grantedAt: at(1000), revokedAt: Option.some(at(2000)) })
        yield* TestClock.setTime(3000)
        expect(yield* repo.revokeGrant(own)).toEqual(revoked)
        expect(yield* repo.userHasGrant(own)).toBe(false)
        expect((yield* repo.listForUser({ userId: ada })).items).toEqual([])
        expect((yield* repo.listGrants({ installationId })).items).toEqual([revoked])

        const again = yield* repo.grantToUser(own)
        expect(again).toMatchObject({ grantedByUserId: Option.none(), grantedAt: at(3000), revokedAt: Option.none() })
        expect(yield* repo.userHasGrant(own)).toBe(true)
        // The user who granted goes, the grant stays; the user who has it takes it along.
        yield* repo.revokeGrant(own)
        yield* repo.grantToUser({ ...own, grantedByUserId: eve })
        yield* shell("DELETE FROM user WHERE id = 'eve'")
        expect((yield* repo.listGrants({ installationId })).items).toMatchObject([{ grantedByUserId: Option.none() }])
        yield* shell("DELETE FROM user WHERE id = 'ada'")
        expect((yield* repo.listGrants({ installationId })).items).toEqual([])
        expect(yield* refusalOf(repo.revokeGrant(own))).toMatchObject({
          _tag: "NotFound",
          entity: "GitHubInstallationUserGrant"
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("returns the first revocation to all concurrent callers", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const { id: installationId } = yield* repo.upsert(acme)
        const own = { installationId, userId: ada }
        const granted = yield* Effect.forEach(
          Array.from({ length: 20 }, () => own),
          repo.grantToUser,
          { concurrency: "unbounded" }
        )
        expect(granted.every(({ grantedAt }) => grantedAt.epochMillis === 0)).toBe(true)
        const revoked = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => Effect.zipRight(TestClock.setTime(index), repo.revokeGrant(own))),
          (revoke) => revoke,
          { concurrency: "unbounded" }
        )
        expect(new Set(revoked.map(({ revokedAt }) => JSON.stringify(revokedAt))).size).toBe(1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("names the missing reference", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        const { id: installationId } = yield* repo.upsert(acme)
        const whole = { installationId, userId: ada, grantedByUserId: eve }
        for (const field of ["installationId", "userId", "grantedByUserId"] as const) {
          expect(yield* refusalOf(repo.grantToUser({ ...whole, [field]: "nobody" }))).toMatchObject({
            _tag: "ReferenceNotFound",
            entity: "GitHubInstallationUserGrant",
            reference: field
          })
        }
        expect((yield* repo.listGrants({ installationId })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("rejects invalid input", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        for (const [rule, bad] of Object.entries(badNames)) {
          for (const field of ["id", "externalInstallationId", "externalAccountId", "accountLogin"] as const) {
            expect(yield* tagOf(repo.upsert({ ...acme, [field]: bad })), `${field} ${rule}`).toBe("InvalidInput")
          }
          for (const field of ["installationId", "userId"] as const) {
            const request = { installationId: gone, userId: ada, [field]: bad }
            expect(yield* tagOf(repo.grantToUser(request))).toBe("InvalidInput")
            expect(yield* tagOf(repo.revokeGrant(request))).toBe("InvalidInput")
            expect(yield* tagOf(repo.userHasGrant(request))).toBe("InvalidInput")
          }
          expect(yield* tagOf(repo.findByExternalId(bad))).toBe("InvalidInput")
        }
        const wrong: ReadonlyArray<object> = [
          { accountType: "robot" },
          { targetType: "robot" },
          { status: "dead" },
          { provider: "svn" },
          { repositorySelection: "none" },
          { permissions: { contents: 1 } },
          { installedAt: at(-1) },
          { lastSyncedAt: at(-1) },
          { status: "suspended", suspendedAt: at(-1) }
        ]
        for (const fields of wrong)
          expect(yield* tagOf(repo.upsert({ ...acme, ...fields })), JSON.stringify(fields)).toBe("InvalidInput")
        for (const page of [{ limit: 0 }, { limit: 501 }, { cursor: "!" }]) {
          expect(yield* tagOf(repo.listActive(page))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listForUser({ userId: ada, ...page }))).toBe("InvalidInput")
          expect(yield* tagOf(repo.listGrants({ installationId: gone, ...page }))).toBe("InvalidInput")
        }
        expect((yield* repo.listActive({})).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )

    it.effect("lists newest first while rows are inserted and deleted", () =>
      Effect.gen(function* () {
        const repo = yield* GitHubInstallationRepo
        yield* shell(`
          INSERT INTO github_app_installations (id, external_installation_id, account_login, account_type, status, created_at, updated_at)
          SELECT printf('i%05d', value), 'e' || value, 'acme', 'user', iif(value % 3, 'active', 'suspended'), value / 7, 0
          FROM generate_series(0, 9999)`)
        yield* shell(`
          INSERT INTO user (id, name, email, created_at, updated_at)
          SELECT printf('u%05d', value), 'u', value || '@example.com', 0, 0 FROM generate_series(0, 2999)`)
        yield* shell(`
          INSERT INTO github_installation_user_grants (installation_id, user_id, granted_at, revoked_at)
          SELECT printf('i%05d', value), 'ada', value / 5, iif(value % 4, NULL, 10000) FROM generate_series(0, 9999)
          UNION ALL SELECT 'i00001', printf('u%05d', value), value / 5, iif(value % 4, NULL, 10000) FROM generate_series(0, 2999)`)
        let round = 0
        const meanwhile = Effect.suspend(() => {
          round++
          const [high, low] = [
            GitHubInstallationId.make(`i0${9999 - round * 3}`),
            GitHubInstallationId.make(`i0${1000 + round * 3}`)
          ]
          return Effect.all([
            TestClock.setTime(100_000 + round),
            repo.upsert({ ...acme, externalInstallationId: `new${round}` }),
            shell("DELETE FROM github_app_installations WHERE id IN (?, ?)", high, low),
            shell("DELETE FROM user WHERE id = ?", `u0${1000 + round}`)
          ])
        })
        const walk = <A>(seen: ReadonlyArray<A>, left: ReadonlyArray<A>, atLeast: number) => {
          expect(new Set(seen).size).toBe(seen.length)
          expect(left.length).toBeGreaterThan(atLeast)
          const there = new Set(seen)
          expect(left.filter((id) => !there.has(id))).toEqual([])
        }
        const idsOf = (text: string) =>
          Effect.map(shell<{ readonly id: string }>(text), (rows) => rows.map(({ id }) => id))

        const active = (yield* pages(repo.listActive, 500, meanwhile)).map(({ id }): string => id)
        walk(
          active,
          yield* idsOf("SELECT id FROM github_app_installations WHERE status = 'active' AND account_type = 'user'"),
          6000
        )
        expect(active.slice(0, 2)).toEqual(["i09998", "i09997"])
        const granted = (yield* pages((page) => repo.listForUser({ userId: ada, ...page }), 500, meanwhile)).map(
          ({ id }): string => id
        )
        walk(
          granted,
          yield* idsOf(
            "SELECT installation_id AS id FROM github_installation_user_grants WHERE user_id = 'ada' AND revoked_at IS NULL"
          ),
          7000
        )
        const installationId = GitHubInstallationId.make("i00001")
        const users = (yield* pages((page) => repo.listGrants({ installationId, ...page }), 500, meanwhile)).map(
          ({ userId }): string => userId
        )
        walk(
          users,
          yield* idsOf("SELECT user_id AS id FROM github_installation_user_grants WHERE installation_id = 'i00001'"),
          2900
        )
        expect((yield* repo.listForUser({ userId: UserId.make("u00001") })).items.map(({ id }) => id)).toEqual([
          "i00001"
        ])
        expect((yield* repo.listForUser({ userId: eve })).items).toEqual([])
      }).pipe(Effect.provide(layer))
    )
  })

for (const [name, layer] of Object.entries(layers)) suite(name, layer)
