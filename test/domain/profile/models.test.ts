import { describe } from "@effect/vitest"
import { Profile } from "../../../src/domain/profile/Profile.js"
import {
  ProfileEnvVar,
  ProfileRevision,
  ProfileSecretBinding,
  ProfileSshKeyBinding,
  ProfileSshSettings
} from "../../../src/domain/profile/ProfileRevision.js"
import { RepositoryProfile, RepositoryProfileLink, RepositoryProfileRevision } from "../../../src/domain/profile/RepositoryProfile.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("profile models", () => {
  roundTrip("Profile", Profile, 60)
  roundTrip("ProfileRevision", ProfileRevision, 60)
  roundTrip("ProfileEnvVar", ProfileEnvVar, 60)
  roundTrip("ProfileSecretBinding", ProfileSecretBinding, 60)
  roundTrip("ProfileSshSettings", ProfileSshSettings, 60)
  roundTrip("ProfileSshKeyBinding", ProfileSshKeyBinding, 60)
  roundTrip("RepositoryProfile", RepositoryProfile, 60)
  roundTrip("RepositoryProfileRevision", RepositoryProfileRevision, 60)
  roundTrip("RepositoryProfileLink", RepositoryProfileLink, 60)
})
