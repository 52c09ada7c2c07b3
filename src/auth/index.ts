/**
 * The services of users, sessions, accounts and verifications as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { AccountRepo } from "./AccountRepo.js"
import { SessionRepo } from "./SessionRepo.js"
import { UserRepo } from "./UserRepo.js"
import { VerificationRepo } from "./VerificationRepo.js"

/** The services that `layer` provides. */
export type Services = UserRepo | SessionRepo | AccountRepo | VerificationRepo

/** All services of this module over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  UserRepo.layer,
  SessionRepo.layer,
  AccountRepo.layer,
  VerificationRepo.layer
)
