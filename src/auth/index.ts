/**
 * The services of users, sessions, accounts and verifications as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import { AccountRepo } from "./AccountRepo.js"
import { SessionRepo } from "./SessionRepo.js"
import { UserRepo } from "./UserRepo.js"
import { VerificationRepo } from "./VerificationRepo.js"

export { Account, AccountCredential, AccountId, LinkAccount, ProviderAccount, UpdateTokens } from "./Account.js"
export { AccountRepo, type AccountService } from "./AccountRepo.js"
export { CreateSession, ExtendSession, Session, SessionId, SessionToken } from "./Session.js"
export { SessionRepo, type SessionService } from "./SessionRepo.js"
export { EnsuredUser, CreateUser, Email, EnsureUser, UpdateUser, User, UserId } from "./User.js"
export { UserRepo, type UserService } from "./UserRepo.js"
export { ConsumeVerification, CreateVerification, Verification, VerificationId } from "./Verification.js"
export { VerificationRepo, type VerificationService } from "./VerificationRepo.js"

/** The services that `layer` provides. */
export type Services = UserRepo | SessionRepo | AccountRepo | VerificationRepo

/** All services of this module over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = Layer.mergeAll(
  UserRepo.layer,
  SessionRepo.layer,
  AccountRepo.layer,
  VerificationRepo.layer
)
