/**
 * Helpers of the tests of this domain: its repositories over each database, two tenants, and documents.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/auth/User.js"
import { SandboxAttemptRepo } from "../../src/sandbox/SandboxAttemptRepo.js"
import { SandboxRepo } from "../../src/sandbox/SandboxRepo.js"
import { RuntimeTeardownRepo } from "../../src/sandbox/RuntimeTeardownRepo.js"
import { SandboxRuntimeInstanceRepo } from "../../src/sandbox/SandboxRuntimeInstanceRepo.js"
import {
  overDatabases,
  seedIssue,
  seedProfileRevision,
  seedRepository,
  seedRepositoryProfileRevision,
  seedUser
} from "../support/database.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

const seed = Layer.effectDiscard(
  Effect.all([
    seedUser(ada),
    seedUser(eve),
    seedRepository("rep"),
    seedRepositoryProfileRevision("rpr", "rep"),
    seedProfileRevision("ada-profile", ada),
    seedProfileRevision("eve-profile", eve),
    seedIssue("iss", "rep")
  ])
)

const repositories = Layer.mergeAll(
  SandboxRepo.layer,
  SandboxAttemptRepo.layer,
  SandboxRuntimeInstanceRepo.layer,
  RuntimeTeardownRepo.layer
)

export type Services =
  | SandboxRepo
  | SandboxAttemptRepo
  | SandboxRuntimeInstanceRepo
  | RuntimeTeardownRepo
  | SqlClient.SqlClient

/** The repositories, and what a database has then: two users, a repository with a profile, an issue, and a profile of each user. */
export const services = Layer.merge(repositories, seed)

/** The same over each database. */
export const layers = overDatabases(services)

export const specification = {
  source: "https://github.com/acme/app",
  harness: "codex",
  env: { A: "1", B: "2" }
} as const

export const blueprint = {
  sources: { workspace: { url: "https://github.com/acme/app" } },
  harness: { id: "codex" }
} as const

export { pages, shell } from "../support/lists.js"
export { badNames, tagOf } from "../support/refusals.js"
