/**
 * The options, reports and keys of the processes of the rotation test.
 */
import { Layer, Redacted } from "effect"
import { UserId } from "../../src/auth/User.js"
import * as Database from "../../src/Database.js"
import { KeyRing } from "../../src/secret/KeyRing.js"
import { SecretVault } from "../../src/secret/SecretVault.js"

/**
 * The point of the kill: before or after the numbered COMMIT (1 activates the key, each other is a batch), or by the parent.
 */
export interface RotationOptions {
  readonly filePath: string
  readonly dieAt: { readonly commit: number; readonly moment: "before" | "after" } | "killed"
}

/** After this number of versions it waits for the kill by its parent, if requested. */
export const enoughToKill = 500

/** The number of rotated versions. */
export interface RotationReport {
  readonly type: "moved"
  readonly count: number
}

/** The options of a writer. */
export interface WriterOptions {
  readonly filePath: string
}

/** The reports of a writer: each written version before the next one, the stop, and a refused write. */
export type WriterReport =
  | { readonly type: "wrote"; readonly version: number; readonly value: string }
  | { readonly type: "stopped" }
  | { readonly type: "refused"; readonly problem: string }
  | { readonly type: "failed"; readonly problem: string }

export const owner = UserId.make("ada")

/** The secret with the versions of the writer. */
export const busySecret = "busy"

const keys = {
  k1: { id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) },
  k2: { id: "k2", key: Redacted.make(new Uint8Array(32).fill(2)) }
}

/** The vault of a process with these keys, on a file. With a long busy timeout, for loaded machines. */
export const vaultOn = (filePath: string, ...ids: ReadonlyArray<keyof typeof keys>) =>
  SecretVault.layer.pipe(
    Layer.provide(KeyRing.layer(ids.map((id) => keys[id]))),
    Layer.provideMerge(Database.layer({ filePath, synchronous: "normal", busyTimeoutMs: 60_000 }))
  )
