/**
 * Operations that use a repository on behalf of an owner who may not use it.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import {
  ControlPlane,
  GitHubInstallationRepo,
  IssueWorkflowLifecycle,
  IssueWorkflowRepo,
  RepositoryProfileRepo,
  SandboxLifecycle
} from "@sealant/db"
import { RepositoryAccess } from "@sealant/db/source"
import { Factories, layerTest } from "@sealant/db/testing"
import { refusalOf, tagOf } from "../../support/refusals.js"

const { make } = Factories

const toLaunch = {
  name: "one",
  spec: Factories.exampleSpec,
  registryId: "registry",
  repository: "acme/app",
  tag: "latest"
} as const

/** A private repository with an issue: Ada has a grant on its installation, Eve has none. */
const fixture = Effect.gen(function* () {
  yield* Effect.all([make.user({ id: "ada" }), make.user({ id: "eve" })])
  const { id: repositoryId } = yield* make.repository({ id: "private" })
  const { id: installationId } = yield* make.installation()
  yield* make.installationRepository({ installationId, repositoryId })
  yield* make.installationGrant({ installationId, userId: "ada" })
  const { id: issueId } = yield* make.issue({ repositoryId })
  const { revokeGrant } = yield* GitHubInstallationRepo
  return { installationId, issueId, repositoryId, revoke: revokeGrant({ installationId, userId: "ada" }) }
})

const missing = (reference: string) => ({ _tag: "ReferenceNotFound", reference })

describe("SandboxLifecycle on a repository", () => {
  it.effect("launches for an owner with access, and reports the repository as missing to others", () =>
    Effect.gen(function* () {
      const { launch } = yield* SandboxLifecycle
      const { issueId, repositoryId } = yield* fixture
      const { id: repositoryProfileId } = yield* make.repositoryProfile({ repositoryId })
      const { id: repositoryProfileRevisionId } = yield* make.repositoryProfileRevision({ repositoryProfileId })
      const references = { repositoryId, repositoryProfileRevisionId, issueId }
      expect((yield* launch({ ...toLaunch, ...references, ownerUserId: "ada" })).created).toBe(true)
      for (const [field, id] of Object.entries(references)) {
        const stranger = yield* refusalOf(launch({ ...toLaunch, ownerUserId: "eve", [field]: id }))
        const nowhere = yield* refusalOf(launch({ ...toLaunch, ownerUserId: "eve", [field]: "nowhere" }))
        expect(stranger).toMatchObject(missing(field))
        expect(stranger).toEqual(nowhere)
        // Also when other fields of the request are invalid.
        expect(
          yield* refusalOf(launch({ ...toLaunch, ownerUserId: "eve", [field]: id, profileRevisionId: "nowhere" }))
        ).toEqual(nowhere)
      }
      expect(yield* refusalOf(launch({ ...toLaunch, repositoryId, ownerUserId: "nobody" }))).toMatchObject(
        missing("ownerUserId")
      )
    }).pipe(Effect.provide(layerTest))
  )

  it.effect(
    "after a revoked grant, returns the earlier launch of a key, and refuses a new launch, a retry and a rebuild",
    () =>
      Effect.gen(function* () {
        const { cancel, launch, rebuild, retry } = yield* SandboxLifecycle
        const { repositoryId, revoke } = yield* fixture
        const request = { ...toLaunch, repositoryId, ownerUserId: "ada", idempotencyKey: "key" }
        const {
          sandbox: { id }
        } = yield* launch(request)
        yield* cancel({ id: id, reason: "enough" })
        yield* revoke
        expect(yield* launch(request)).toMatchObject({ sandbox: { id }, created: false })
        expect(yield* refusalOf(launch({ ...request, idempotencyKey: "other" }))).toMatchObject(missing("repositoryId"))
        expect(yield* refusalOf(retry({ id, ownerUserId: "ada" }))).toMatchObject(missing("repositoryId"))
        expect(yield* refusalOf(rebuild(id))).toMatchObject(missing("repositoryId"))
      }).pipe(Effect.provide(layerTest))
  )
})

describe("IssueWorkflowLifecycle on an issue of a private repository", () => {
  it.effect("opens a workflow for an owner with access; for others the issue does not exist and is not reserved", () =>
    Effect.gen(function* () {
      const { open } = yield* IssueWorkflowLifecycle
      const { issueId } = yield* fixture
      const nowhere = yield* refusalOf(open({ issueId: "nowhere", ownerUserId: "eve" }))
      expect(nowhere).toMatchObject(missing("issueId"))
      expect(yield* refusalOf(open({ issueId, ownerUserId: "eve" }))).toEqual(nowhere)
      expect(yield* open({ id: "hers", issueId, ownerUserId: "ada" })).toMatchObject({ created: true })
      // Not even that the issue has a workflow, or the workflow an id.
      expect(yield* refusalOf(open({ issueId, ownerUserId: "eve" }))).toEqual(nowhere)
      expect(yield* refusalOf(open({ id: "hers", issueId, ownerUserId: "eve" }))).toEqual(nowhere)
    }).pipe(Effect.provide(layerTest))
  )

  it.effect(
    "after a revoked grant the issue is hidden and no execution starts; earlier results are returned, and cancel works",
    () =>
      Effect.gen(function* () {
        const lifecycle = yield* IssueWorkflowLifecycle
        const { issueId, revoke } = yield* fixture
        const ownerUserId = "ada"
        const {
          workflow: { id }
        } = yield* lifecycle.open({ issueId, ownerUserId })
        const start = { issueWorkflowId: id, ownerUserId, launch: toLaunch, idempotencyKey: "key" }
        const { execution } = yield* lifecycle.startExecution(start)
        expect((yield* lifecycle.getDetail({ id, ownerUserId })).issue.id).toBe(issueId)
        expect((yield* lifecycle.list({ ownerUserId })).items).toHaveLength(1)
        yield* revoke
        const nowhere = yield* refusalOf(lifecycle.getDetail({ id: "nowhere", ownerUserId }))
        expect(yield* refusalOf(lifecycle.getDetail({ id, ownerUserId }))).toMatchObject({ ...nowhere, id })
        expect((yield* lifecycle.list({ ownerUserId })).items).toEqual([])
        expect(yield* lifecycle.open({ issueId, ownerUserId })).toMatchObject({ workflow: { id }, created: false })
        expect(yield* lifecycle.startExecution(start)).toMatchObject({
          execution: { id: execution.id },
          created: false
        })
        for (const other of [{ ...start, idempotencyKey: "other" }, { issueWorkflowId: id }]) {
          expect(yield* refusalOf(lifecycle.startExecution(other))).toMatchObject({
            _tag: "NotFound",
            entity: "IssueWorkflow"
          })
        }
        expect(yield* lifecycle.cancel({ id, ownerUserId, reason: "enough" })).toMatchObject({ status: "cancelled" })
      }).pipe(Effect.provide(layerTest))
  )

  it.effect(
    "uses the current repository: a transferred issue is visible only to an owner with access to the new one",
    () =>
      Effect.gen(function* () {
        const { getDetail, open } = yield* IssueWorkflowLifecycle
        yield* fixture
        const { id: issueId } = yield* make.issue({ id: "moving", number: 99, repositoryId: "open" })
        const {
          workflow: { id }
        } = yield* open({ issueId, ownerUserId: "eve" })
        expect((yield* getDetail({ id, ownerUserId: "eve" })).issue.id).toBe(issueId)
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE issues SET repository_id = 'private' WHERE id = ${issueId}`
        expect(yield* tagOf(Effect.asVoid(getDetail({ id, ownerUserId: "eve" })))).toBe("NotFound")
      }).pipe(Effect.provide(layerTest))
  )

  it.effect("after a revoked grant an owner cannot unarchive a workflow to reserve the issue", () =>
    Effect.gen(function* () {
      const { open } = yield* IssueWorkflowLifecycle
      const { archive, unarchive } = yield* IssueWorkflowRepo
      const { installationId, issueId, revoke } = yield* fixture
      yield* make.installationGrant({ installationId, userId: "eve" })
      const {
        workflow: { id }
      } = yield* open({ issueId, ownerUserId: "ada" })
      yield* archive({ id, ownerUserId: "ada" })
      expect(yield* unarchive({ id, ownerUserId: "ada" })).toMatchObject({ status: "active" })
      yield* revoke
      // An active one stays as it is.
      expect(yield* unarchive({ id, ownerUserId: "ada" })).toMatchObject({ status: "active" })
      yield* archive({ id, ownerUserId: "ada" })
      expect(yield* refusalOf(unarchive({ id, ownerUserId: "ada" }))).toMatchObject({
        _tag: "NotFound",
        entity: "IssueWorkflow",
        id
      })
      expect(yield* open({ issueId, ownerUserId: "eve" })).toMatchObject({ created: true })
      // Without an owner, for the program itself, only the other workflow is in the way.
      expect(yield* refusalOf(unarchive(id))).toMatchObject({ _tag: "AlreadyExists" })
    }).pipe(Effect.provide(layerTest))
  )

  it.effect(
    "finishes with the pull requests of accessible repositories; others are reported as missing, except those already linked",
    () =>
      Effect.gen(function* () {
        const { finish } = yield* IssueWorkflowLifecycle
        const { issueId, repositoryId, revoke } = yield* fixture
        const workflow = yield* make.workflow({ issueId, ownerUserId: "ada" })
        const { id: executionId } = yield* make.execution({ issueWorkflowId: workflow.id, status: "running" })
        const { id: first } = yield* make.pullRequest({ repositoryId })
        const { id: second } = yield* make.pullRequest({ repositoryId })
        yield* make.repository({ id: "other", openToAll: false })
        const { id: foreign } = yield* make.pullRequest({ repositoryId: "other" })
        const finishWith = (...pullRequestIds: ReadonlyArray<string>) =>
          finish({
            executionId,
            ownerUserId: "ada",
            outcome: "succeeded",
            pullRequests: pullRequestIds.map((pullRequestId) => ({ pullRequestId }))
          })
        const nowhere = yield* refusalOf(finishWith("nowhere"))
        expect(nowhere).toMatchObject(missing("pullRequestId"))
        expect(yield* refusalOf(finishWith(first, foreign))).toEqual(nowhere)
        expect(yield* finishWith(first)).toMatchObject({ execution: { status: "succeeded" } })
        yield* revoke
        expect(yield* finishWith(first)).toMatchObject({ execution: { status: "succeeded" } })
        expect(yield* refusalOf(finishWith(first, second))).toEqual(nowhere)
        // Without an owner, for the program itself.
        expect(
          yield* finish({ executionId, outcome: "succeeded", pullRequests: [{ pullRequestId: foreign }] })
        ).toMatchObject({ execution: { id: executionId } })
      }).pipe(Effect.provide(layerTest))
  )
})

describe("RepositoryProfileRepo with an owner", () => {
  it.effect("creates and lists for a user with access; for others the repository does not exist", () =>
    Effect.gen(function* () {
      const { create, list } = yield* RepositoryProfileRepo
      const { repositoryId } = yield* fixture
      const request = { repositoryId, name: "default" }
      expect(yield* refusalOf(create({ ...request, ownerUserId: "eve" }))).toMatchObject(missing("repositoryId"))
      expect(yield* create({ ...request, ownerUserId: "ada" })).toMatchObject(request)
      expect((yield* list({ repositoryId, ownerUserId: "ada" })).items).toHaveLength(1)
      expect((yield* list({ repositoryId, ownerUserId: "eve" })).items).toEqual([])
    }).pipe(Effect.provide(layerTest))
  )

  it.effect("links the user's own profiles and those already linked; others do not exist", () =>
    Effect.gen(function* () {
      const { createRevision, replaceLinks } = yield* RepositoryProfileRepo
      const { repositoryId } = yield* fixture
      const revisionOf = (ownerUserId: string) =>
        Effect.flatMap(make.profile({ ownerUserId }), ({ id: profileId }) =>
          Effect.map(make.profileRevision({ profileId }), ({ id }) => id)
        )
      const [own, colleagues, others] = yield* Effect.all([revisionOf("ada"), revisionOf("eve"), revisionOf("eve")])
      const { id: repositoryProfileId } = yield* make.repositoryProfile({ repositoryId })
      const linksTo = (...ids: ReadonlyArray<string>) => ids.map((profileRevisionId) => ({ profileRevisionId }))
      const create = (name: string, ownerUserId: string | undefined, ...ids: ReadonlyArray<string>) =>
        createRevision({
          repositoryProfileId,
          runTemplate: { env: { NAME: name } },
          links: linksTo(...ids),
          ...(ownerUserId === undefined ? {} : { ownerUserId })
        })
      const {
        revision: { id: revisionId }
      } = yield* create("first", undefined, colleagues)
      const nowhere = yield* refusalOf(replaceLinks({ revisionId, ownerUserId: "ada", links: linksTo(own, "nowhere") }))
      expect(nowhere).toMatchObject(missing("profileRevisionId"))
      expect(yield* refusalOf(replaceLinks({ revisionId, ownerUserId: "ada", links: linksTo(own, others) }))).toEqual(
        nowhere
      )
      for (const id of ["nowhere", others]) expect(yield* refusalOf(create("second", "ada", own, id))).toEqual(nowhere)
      expect(yield* replaceLinks({ revisionId, ownerUserId: "ada", links: linksTo(own, colleagues) })).toHaveLength(2)
      expect(yield* create("second", "ada", own, colleagues)).toMatchObject({ created: true })
    }).pipe(Effect.provide(layerTest))
  )
})

describe("RepositoryAccess set to open", () => {
  it.effect("disables the check in every operation", () =>
    Effect.gen(function* () {
      const { issueId, repositoryId } = yield* fixture
      const services = yield* Layer.build(ControlPlane.layer.pipe(Layer.provide(RepositoryAccess.layer("open"))))
      yield* Effect.gen(function* () {
        const lifecycle = yield* IssueWorkflowLifecycle
        const {
          workflow: { id }
        } = yield* lifecycle.open({ issueId, ownerUserId: "eve" })
        expect((yield* lifecycle.getDetail({ id, ownerUserId: "eve" })).issue.id).toBe(issueId)
        const { launch } = yield* SandboxLifecycle
        expect(yield* launch({ ...toLaunch, repositoryId, ownerUserId: "eve" })).toMatchObject({ created: true })
        expect(yield* tagOf(Effect.asVoid(launch({ ...toLaunch, repositoryId: "nowhere", ownerUserId: "eve" })))).toBe(
          "ReferenceNotFound"
        )
      }).pipe(Effect.provide(services))
    }).pipe(Effect.scoped, Effect.provide(layerTest))
  )
})
