/**
 * The convention for `authRef` in specifications and blueprints: section 8 of the description of the
 * payloads.
 */
import { Option } from "effect"

const prefix = "github-installation-repository:"

/**
 * The `authRef` of a repository that a GitHub App installation gives access to: the id of its row in
 * `github_installation_repositories`, which stored documents therefore depend on.
 */
export const formatGithubInstallationRepositoryRef = (id: string): string => `${prefix}${id}`

/** The id that an `authRef` names. `None` for another kind of reference, and for a blank id. */
export const parseGithubInstallationRepositoryRef = (authRef: string): Option.Option<string> => {
  const id = authRef.startsWith(prefix) ? authRef.slice(prefix.length).trim() : ""
  return id === "" ? Option.none() : Option.some(id)
}
