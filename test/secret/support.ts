/**
 * Helpers of the tests of this domain: its services over each database with two tenants, and key rings.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer, Redacted } from "effect"
import { createHash } from "node:crypto"
import { UserId } from "../../src/auth/User.js"
import { KeyRing } from "../../src/secret/KeyRing.js"
import { SecretRepo } from "../../src/secret/SecretRepo.js"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { overDatabases, seedUser } from "../support/database.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

/** A key of a test, by its id; `material` names another key under the same id. */
export const testKey = (id: string, material = id) => ({
  id,
  key: Redacted.make(Uint8Array.from(createHash("sha256").update(material).digest()))
})

type TestKeys = ReadonlyArray<string | ReturnType<typeof testKey>>

/** A ring of keys, the first of them the one that is to be active. */
export const ring = (...keys: TestKeys) =>
  Layer.orDie(KeyRing.layer(keys.map((key) => (typeof key === "string" ? testKey(key) : key))))

/** The vault of a process that holds these keys, on the same database. */
export const vaultWith = (...keys: TestKeys) =>
  Effect.provide(SecretVault, Layer.provide(Layer.fresh(SecretVault.layer), ring(...keys)))

const services = Layer.merge(SecretRepo.layer, SecretVault.layer).pipe(Layer.provide(ring("k1")))

const seed = Layer.effectDiscard(Effect.all([seedUser(ada), seedUser(eve)]))

export type Services = SecretRepo | SecretVault | SqlClient.SqlClient

/** The services with one key over a database that has two users. */
export const layers = overDatabases(Layer.merge(services, seed))

export const redacted = (value: string) => Redacted.make(value)

export { pages, shell } from "../support/lists.js"
export { badNames, refusalOf, tagOf } from "../support/refusals.js"
