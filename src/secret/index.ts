/**
 * The services of secrets and SSH keys as one layer.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import type { KeyRing } from "./KeyRing.js"
import { SecretRepo } from "./SecretRepo.js"
import { SecretVault } from "./SecretVault.js"
import { SshKeyRepo } from "./SshKeyRepo.js"

export {
  EncryptionKey,
  EncryptionKeyId,
  EncryptionKeyStatus,
  encryptionKeyTransitions,
  KeyRotation,
  KeyStatus,
  RotateKeys
} from "./EncryptionKey.js"
export { type GivenKey, KeyRing, KeyRingConfigError, type KeyRingService, type RingKey } from "./KeyRing.js"
export {
  CreateSecret,
  FindSecretVersion,
  maxSecretBytes,
  PutSecret,
  RenameSecret,
  RevealSecret,
  Secret,
  SecretFilter,
  SecretId,
  SecretValue,
  SecretVersion,
  SecretVersionFilter,
  SecretVersionId,
  SecretVersionMetadata,
  SecretVersionNumber
} from "./Secret.js"
export { SecretRepo, type SecretService } from "./SecretRepo.js"
export { SecretVault, type SecretVaultService } from "./SecretVault.js"
export { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter, SshKeyId } from "./SshKey.js"
export { SshKeyRepo, type SshKeyService } from "./SshKeyRepo.js"
export {
  EncryptionKeyInUse,
  EncryptionKeyProblem,
  EncryptionKeyUnavailable,
  SecretInUse,
  SecretUnreadable
} from "./errors.js"

/** The services that `layer` provides. */
export type Services = SecretRepo | SecretVault | SshKeyRepo

/** Provides all services of secrets over one `SqlClient`, with the keys of `KeyRing`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient | KeyRing> = Layer.mergeAll(
  SecretRepo.layer,
  SecretVault.layer,
  SshKeyRepo.layer
)
