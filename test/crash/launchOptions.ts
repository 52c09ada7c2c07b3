/**
 * The options of the launching process, and its requests.
 */
import { UserId } from "../../src/auth/User.js"

/**
 * The point of the kill in the second launch: before the numbered statement (1 is the first), or before or after COMMIT.
 * `none` does not kill.
 */
export type Moment = number | "before COMMIT" | "after COMMIT" | "never"

/** The argument of the process, in JSON. */
export interface ProcessOptions {
  readonly filePath: string
  readonly dieAt: Moment
}

export const owner = UserId.make("ada")

/** A launch with this idempotency key. */
export const requestOf = (idempotencyKey: string) => ({
  ownerUserId: owner,
  name: idempotencyKey,
  spec: { source: "https://github.com/acme/app", harness: "codex", env: { A: "1" } } as const,
  registryId: "registry",
  repository: "acme/app",
  tag: idempotencyKey,
  idempotencyKey
})
