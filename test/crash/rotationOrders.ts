/**
 * What the processes of the rotation test are told, what they tell, and the keys that they hold.
 */
import { Layer, Redacted } from "effect"
import { UserId } from "../../src/auth/User.js"
import * as Database from "../../src/Database.js"
import { KeyRing } from "../../src/secret/KeyRing.js"
import { SecretVault } from "../../src/secret/SecretVault.js"

/** Around the numbered COMMIT (1 activates the key, each other is a batch), or when the parent kills it. */
export interface RotationOrders {
  readonly filePath: string
  readonly dieAt: { readonly commit: number; readonly moment: "before" | "after" } | "killed"
}

/** After so many versions it waits to be killed by its parent, if that is its order. */
export const enoughToKill = 500

/** How many versions a rotation has moved. */
export interface RotationReport {
  readonly type: "moved"
  readonly count: number
}

/** Which file a writer writes to. */
export interface WriterOrders {
  readonly filePath: string
}

/** What a writer tells of each version that it wrote, before it writes the next, when it stopped, and of what was refused. */
export type WriterReport =
  | { readonly type: "wrote"; readonly version: number; readonly value: string }
  | { readonly type: "stopped" }
  | { readonly type: "refused"; readonly problem: string }
  | { readonly type: "failed"; readonly problem: string }

export const owner = UserId.make("ada")

/** The secret that the writer writes to. */
export const busySecret = "busy"

const keys = {
  k1: { id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) },
  k2: { id: "k2", key: Redacted.make(new Uint8Array(32).fill(2)) }
}

/** The vault of a process that holds these keys, on a file. It waits for the lock, however busy the machine is. */
export const vaultOn = (filePath: string, ...ids: ReadonlyArray<keyof typeof keys>) =>
  SecretVault.layer.pipe(
    Layer.provide(KeyRing.layer(ids.map((id) => keys[id]))),
    Layer.provideMerge(Database.layer({ filePath, synchronous: "normal", busyTimeoutMs: 60_000 }))
  )
