/**
 * An installation of the GitHub App.
 */
import { idOf } from "../../internal/columns.js"

/** The id of an installation. */
export const GitHubInstallationId = idOf("GitHubInstallationId")
export type GitHubInstallationId = typeof GitHubInstallationId.Type
