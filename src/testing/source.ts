/**
 * Factories of the source domain.
 */
import { DateTime, Effect } from "effect"
import { GitHubInstallation, GitHubInstallationId, GitHubInstallationUserGrant } from "../github/GitHubInstallation.js"
import { GitHubInstallationRepository, GitHubInstallationRepositoryId } from "../github/GitHubInstallationRepository.js"
import { Repository, RepositoryId } from "../source/Repository.js"
import { idOrNew } from "../sql/ids.js"
import { owner } from "./auth.js"
import { asId, ensure, factory, type Given, insert, type Made } from "./rows.js"

/**
 * A repository of GitHub, of the owner `acme`, which every user may use unless `openToAll` is false or an installation
 * contains it. Its name is made from the id.
 */
export const repository = (given: Given<Repository> = {}): Made<Repository> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(RepositoryId, given.id), "repo", RepositoryId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("repositories", Repository, {
      provider: "github",
      owner: "acme",
      name: id,
      openToAll: true,
      createdAt: now,
      updatedAt: now,
      ...given,
      id
    })
  }).pipe(factory("repository"))

/** An installation at the organization `acme`, in the status that is given, `active` if none is. */
export const installation = (given: Given<GitHubInstallation> = {}): Made<GitHubInstallation> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(GitHubInstallationId, given.id), "ghi", GitHubInstallationId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("github_app_installations", GitHubInstallation, {
      externalInstallationId: id,
      accountLogin: "acme",
      accountType: "organization",
      installedAt: now,
      createdAt: now,
      updatedAt: now,
      ...(given.status === "suspended" ? { suspendedAt: now } : {}),
      ...given,
      id
    })
  }).pipe(factory("installation"))

/**
 * A repository that an installation sees, of a new one each where none is given. What is not given of it is that of the
 * repository, so the two agree.
 */
export const installationRepository = (given: Given<GitHubInstallationRepository> = {}): Made<GitHubInstallationRepository> =>
  Effect.gen(function*() {
    const id = yield* idOrNew(asId(GitHubInstallationRepositoryId, given.id), "ghr", GitHubInstallationRepositoryId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    const { externalRepositoryId = given.repositoryId ?? id, name = externalRepositoryId, owner = "acme" } = given
    const repositoryOfIt = { externalId: externalRepositoryId, owner, name }
    yield* ensure("repositories", given.repositoryId, (id) => repository({ id, ...repositoryOfIt }))
    return yield* insert("github_installation_repositories", GitHubInstallationRepository, {
      fullName: `${owner}/${name}`,
      createdAt: now,
      updatedAt: now,
      ...given,
      id,
      externalRepositoryId,
      name,
      owner,
      installationId: yield* installationOf(given.installationId),
      repositoryId: given.repositoryId ?? (yield* repository(repositoryOfIt)).id
    })
  }).pipe(factory("installationRepository"))

/** That a user may use an installation, a new one each where none is given. */
export const installationGrant = (given: Given<GitHubInstallationUserGrant> = {}): Made<GitHubInstallationUserGrant> =>
  Effect.gen(function*() {
    if (given.grantedByUserId !== undefined) yield* owner(given.grantedByUserId)
    return yield* insert("github_installation_user_grants", GitHubInstallationUserGrant, {
      grantedAt: yield* DateTime.now,
      ...given,
      installationId: yield* installationOf(given.installationId),
      userId: yield* owner(given.userId)
    })
  }).pipe(factory("installationGrant"))

/** The installation of this id, made when missing; a new one when none is given. */
const installationOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("github_app_installations", given, (id) => installation({ id }))
    return given === undefined ? (yield* installation()).id : GitHubInstallationId.make(given)
  })

/** The repository of this id, made when missing; a new one when none is given. */
export const repositoryOf = (given: string | undefined) =>
  Effect.gen(function*() {
    yield* ensure("repositories", given, (id) => repository({ id }))
    return given === undefined ? (yield* repository()).id : RepositoryId.make(given)
  })
