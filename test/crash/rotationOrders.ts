/**
 * What the processes of the rotation test are told, what they tell, and the keys that they hold.
 */
import { Layer, Redacted } from "effect"
import { UserId } from "../../src/domain/auth/User.js"
import * as Database from "../../src/Database.js"
import { KeyRing } from "../../src/domain/secret/KeyRing.js"
import { SecretVault } from "../../src/domain/secret/SecretVault.js"

/** Around the numbered COMMIT (1 activates the key, each other is a batch), or when the parent kills it. */
export interface RotationOrders {
  readonly filePath: string
  readonly dieAt: { readonly commit: number; readonly moment: "before" | "after" } | "killed"
}

/** After so many versions it waits to be killed by its parent, if that is its order. */
export const enoughToKill = 500

/** What a writer tells of each version that it wrote, before it writes the next, and of the one that it could not. */
export type WriterReport = { readonly wrote: number; readonly value: string } | { readonly refused: string } | { readonly failed: string }

export const owner = UserId.make("ada")

/** The secret that the writer writes to. */
export const busySecret = "busy"

const keys = {
  k1: { id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) },
  k2: { id: "k2", key: Redacted.make(new Uint8Array(32).fill(2)) }
}

/** The vault of a process that holds these keys, on a file. */
export const vaultOn = (filePath: string, ...ids: ReadonlyArray<keyof typeof keys>) =>
  SecretVault.layer.pipe(
    Layer.provide(KeyRing.layer(ids.map((id) => keys[id]))),
    Layer.provideMerge(Database.layer({ filePath, synchronous: "normal" }))
  )
