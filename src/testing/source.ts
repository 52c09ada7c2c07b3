/**
 * Factories of repositories and GitHub App installations.
 */
import { DateTime, Effect } from "effect"
import { GitHubInstallation, GitHubInstallationId, GitHubInstallationUserGrant } from "../github/GitHubInstallation.js"
import { GitHubInstallationRepository, GitHubInstallationRepositoryId } from "../github/GitHubInstallationRepository.js"
import { Repository, RepositoryId } from "../source/Repository.js"
import { idOrNew } from "../sql/ids.js"
import { owner } from "./auth.js"
import { defined, asId, ensure, factory, type Given, insert, type Made } from "./rows.js"

/**
 * Creates a GitHub repository of the owner `acme`. The name is the id. Every user may use it, unless `openToAll` is
 * false or an installation contains it.
 */
export const repository = (given: Given<Repository> = {}): Made<Repository> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(asId(RepositoryId, given.id), "repo", RepositoryId.make)
    const now = given.createdAt ?? (yield* DateTime.now)
    return yield* insert("repositories", Repository, {
      provider: "github",
      owner: "acme",
      name: id,
      openToAll: true,
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id
    })
  }).pipe(factory("repository"))

/** Creates an installation in the organization `acme`, by default `active`. */
export const installation = (given: Given<GitHubInstallation> = {}): Made<GitHubInstallation> =>
  Effect.gen(function* () {
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
      ...defined(given),
      id
    })
  }).pipe(factory("installation"))

/**
 * Creates a repository of an installation, by default of a new installation and a new repository. The repository that
 * it creates has the same external id, owner and name.
 */
export const installationRepository = (
  given: Given<GitHubInstallationRepository> = {}
): Made<GitHubInstallationRepository> =>
  Effect.gen(function* () {
    const id = yield* idOrNew(
      asId(GitHubInstallationRepositoryId, given.id),
      "ghr",
      GitHubInstallationRepositoryId.make
    )
    const now = given.createdAt ?? (yield* DateTime.now)
    const { externalRepositoryId = given.repositoryId ?? id, name = externalRepositoryId, owner = "acme" } = given
    const repositoryFields = { externalId: externalRepositoryId, owner, name }
    yield* ensure("repositories", given.repositoryId, (id) => repository({ id, ...repositoryFields }))
    return yield* insert("github_installation_repositories", GitHubInstallationRepository, {
      fullName: `${owner}/${name}`,
      createdAt: now,
      updatedAt: now,
      ...defined(given),
      id,
      externalRepositoryId,
      name,
      owner,
      installationId: yield* installationOf(given.installationId),
      repositoryId: given.repositoryId ?? (yield* repository(repositoryFields)).id
    })
  }).pipe(factory("installationRepository"))

/** Creates the grant of an installation to a user, by default with new ones. */
export const installationGrant = (given: Given<GitHubInstallationUserGrant> = {}): Made<GitHubInstallationUserGrant> =>
  Effect.gen(function* () {
    if (given.grantedByUserId !== undefined) yield* owner(given.grantedByUserId)
    return yield* insert("github_installation_user_grants", GitHubInstallationUserGrant, {
      grantedAt: yield* DateTime.now,
      ...defined(given),
      installationId: yield* installationOf(given.installationId),
      userId: yield* owner(given.userId)
    })
  }).pipe(factory("installationGrant"))

/** Returns the id of an installation, and creates the installation if it does not exist. By default a new one. */
const installationOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("github_app_installations", given, (id) => installation({ id }))
    return given === undefined ? (yield* installation()).id : GitHubInstallationId.make(given)
  })

/** Returns the id of a repository, and creates the repository if it does not exist. By default a new one. */
export const repositoryOf = (given: string | undefined) =>
  Effect.gen(function* () {
    yield* ensure("repositories", given, (id) => repository({ id }))
    return given === undefined ? (yield* repository()).id : RepositoryId.make(given)
  })
