/**
 * SSH keys, over the table `ssh_keys`: public halves, with their fingerprints. Private keys are secrets, and never here.
 *
 * What it guarantees: a key has one owner, for good, and refers to secrets of that owner only; an owner has a key once;
 * the fingerprint is the key's. A private key that is given by mistake is stored nowhere and shown nowhere.
 */
import type { SqlClient } from "@effect/sql"
import { Context, Layer } from "effect"
import type { Effect, Option } from "effect"
import type { AlreadyExists, InvalidInput, NotFound, PersistenceError, ReferenceNotFound } from "../Errors.js"
import type { ById, OwnedId } from "../sql/ownerScope.js"
import type { Page, PageRequest } from "../sql/page.js"
import type { UserId } from "../auth/User.js"
import { make } from "./makeSshKeyRepo.js"
import type { CreateSshKey, RenameSshKey, SshKey, SshKeyFilter } from "./SshKey.js"

/**
 * Methods of `SshKeyRepo`.
 *
 * Calls without `ownerUserId` (a bare id, or a request that omits it) are internal: not for request handlers.
 */
export interface SshKeyService {
  /**
   * Stores a public key, as one line, with the fingerprint that OpenSSH gives it. Ed25519, ECDSA (NIST curves), and RSA of
   * 2,048 to 16,384 bits.
   *
   * Fails with `AlreadyExists` when the owner has this key (archived ones count) or the id is taken, with
   * `ReferenceNotFound` that names the field when the owner or a secret is not there or the secret is another owner's,
   * with `InvalidInput` for anything else than such a key, and for a name or an id that is empty or too long.
   */
  readonly create: (
    key: typeof CreateSshKey.Encoded
  ) => Effect.Effect<SshKey, AlreadyExists | ReferenceNotFound | InvalidInput | PersistenceError>

  /** The key, if it is there. */
  readonly findById: (id: ById) => Effect.Effect<Option.Option<SshKey>, PersistenceError>

  /** The key. Fails with `NotFound`. */
  readonly getById: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>

  /** The key of this owner. Fails with `NotFound`, also when it is another owner's. */
  readonly getForOwner: (
    request: OwnedId
  ) => Effect.Effect<SshKey, NotFound | PersistenceError>

  /** The key of this fingerprint among those of the owner, archived or not. Fails with `InvalidInput` for one that none can have. */
  readonly findByFingerprint: (
    request: { readonly ownerUserId: UserId; readonly fingerprint: string }
  ) => Effect.Effect<Option.Option<SshKey>, InvalidInput | PersistenceError>

  /**
   * The keys of an owner, newest first. Fails with `InvalidInput` for a foreign cursor, a limit out of range, or an owner
   * that is `undefined`.
   */
  readonly list: (
    request: PageRequest & typeof SshKeyFilter.Encoded
  ) => Effect.Effect<Page<SshKey>, InvalidInput | PersistenceError>

  /** Gives the key another name. Fails with `NotFound`, or with `InvalidInput` for a name that is empty or too long. */
  readonly rename: (
    request: typeof RenameSshKey.Encoded
  ) => Effect.Effect<SshKey, NotFound | InvalidInput | PersistenceError>

  /**
   * Puts the key away: lists leave it out, what refers to it finds it as before. One that is put away already is returned
   * as it is. Fails with `NotFound`.
   */
  readonly archive: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>

  /** Takes back `archive`. A key that is not put away is returned as it is. Fails with `NotFound`. */
  readonly restore: (id: ById) => Effect.Effect<SshKey, NotFound | PersistenceError>
}

export class SshKeyRepo extends Context.Tag("@sealant/db/SshKeyRepo")<SshKeyRepo, SshKeyService>() {
  /** The SSH keys over `SqlClient`. */
  static readonly layer: Layer.Layer<SshKeyRepo, never, SqlClient.SqlClient> = Layer.effect(this, make)
}
