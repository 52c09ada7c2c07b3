/**
 * When a process that launches is to die, and what it launches.
 */
import { UserId } from "../../src/auth/User.js"

/** Right before the numbered statement (1 is the first) of the second launch, or around its COMMIT; or not at all. */
export type Moment = number | "before COMMIT" | "after COMMIT" | "never"

/** What the process is given as its argument, in JSON. */
export interface Orders {
  readonly filePath: string
  readonly dieAt: Moment
}

export const owner = UserId.make("ada")

/** A launch under this key. */
export const requestOf = (idempotencyKey: string) => ({
  ownerUserId: owner,
  name: idempotencyKey,
  spec: { source: "https://github.com/acme/app", harness: "codex", env: { A: "1" } } as const,
  registryId: "registry",
  repository: "acme/app",
  tag: idempotencyKey,
  idempotencyKey
})
