import { describe } from "@effect/vitest"
import { GitHubInstallation, GitHubInstallationUserGrant } from "../../../src/domain/source/GitHubInstallation.js"
import { GitHubInstallationRepository } from "../../../src/domain/source/GitHubInstallationRepository.js"
import { Repository } from "../../../src/domain/source/Repository.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("source models", () => {
  roundTrip("Repository", Repository, 200)
  roundTrip("GitHubInstallation", GitHubInstallation, 200)
  roundTrip("GitHubInstallationUserGrant", GitHubInstallationUserGrant, 200)
  roundTrip("GitHubInstallationRepository", GitHubInstallationRepository, 200)
})
