/**
 * The database under test: all services on a file, and its initial rows.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, Redacted } from "effect"
import * as ControlPlane from "../../../src/ControlPlane.js"
import * as Database from "../../../src/Database.js"
import { UserId } from "../../../src/auth/User.js"
import { ProfileId } from "../../../src/profile/Profile.js"
import { KeyRing } from "../../../src/secret/KeyRing.js"
import { SecretId } from "../../../src/secret/Secret.js"
import { SecretVault } from "../../../src/secret/SecretVault.js"
import { GitHubInstallationId } from "../../../src/github/GitHubInstallation.js"
import { WebhookInbox } from "../../../src/github/WebhookInbox.js"
import * as Migrations from "../../../src/Migrations.js"
import { make } from "../../../src/testing/Factories.js"

export type Services = ControlPlane.Services | WebhookInbox | Database.Services | KeyRing

export const owner = UserId.make("ada")
export const secretId = SecretId.make("token")
export const profileId = ProfileId.make("profile")
export const issueIds = Array.from({ length: 6 }, (_, index) => `issue-${index}`)
export const slots = 4
export const installationOf = (slot: number) => GitHubInstallationId.make(`installation-${slot}`)

const keysOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `k${count - index}`,
    key: Redacted.make(new Uint8Array(32).fill(count - index))
  }))

/** All services on a file, with this number of keys. */
export const onFile = (options: Database.FileOptions & { readonly keys: number }) =>
  Layer.provideMerge(WebhookInbox.layer, ControlPlane.layer).pipe(
    Layer.provideMerge(KeyRing.layer(keysOf(options.keys))),
    Layer.provideMerge(Database.layer(options))
  )

/** Creates the file with its initial rows. */
export const prepare = (filePath: string) =>
  Effect.gen(function* () {
    yield* Migrations.run
    const sql = yield* SqlClient.SqlClient
    yield* make.user({ id: owner })
    const repository = yield* make.repository()
    for (const id of issueIds) yield* make.issue({ id, repositoryId: repository.id })
    for (let slot = 0; slot < slots; slot++) yield* make.installation({ id: installationOf(slot) })
    yield* make.profile({ id: profileId, ownerUserId: owner })
    const vault = yield* SecretVault
    yield* vault.create({ id: secretId, ownerUserId: owner, name: "token", value: Redacted.make("first") })
    // The write of the webhook handler: a second effect would add a second row.
    yield* sql`CREATE TABLE effects (delivery TEXT NOT NULL, worker TEXT NOT NULL) STRICT`
  }).pipe(Effect.provide(onFile({ filePath, keys: 1 })))
