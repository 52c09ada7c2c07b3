/**
 * The format of `authRef` in specifications and blueprints: `github-installation-repository:<id>`.
 */
import { Option } from "effect"

const prefix = "github-installation-repository:"

/**
 * Builds the `authRef` of a repository of a GitHub App installation. It contains the id of the row in
 * `github_installation_repositories`, so stored documents depend on these ids.
 */
export const formatGithubInstallationRepositoryRef = (id: string): string => `${prefix}${id}`

/** Returns the id in an `authRef`. `None` if the reference has another kind or a blank id. */
export const parseGithubInstallationRepositoryRef = (authRef: string): Option.Option<string> => {
  const id = authRef.startsWith(prefix) ? authRef.slice(prefix.length).trim() : ""
  return id === "" ? Option.none() : Option.some(id)
}
