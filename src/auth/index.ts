/**
 * The auth domain as one layer: users, their sessions and accounts, and verifications.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { AccountRepo } from "./AccountRepo.js"
import { SessionRepo } from "./SessionRepo.js"
import { UserRepo } from "./UserRepo.js"
import { VerificationRepo } from "./VerificationRepo.js"

/** What the layer gives. */
export type Services = UserRepo | SessionRepo | AccountRepo | VerificationRepo

/** All services of the domain over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  UserRepo.layer,
  SessionRepo.layer,
  AccountRepo.layer,
  VerificationRepo.layer
)
