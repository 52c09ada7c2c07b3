/**
 * The rule by which the deadline of a sandbox has passed. Pure.
 */
import { Option } from "effect"
import { hasEnded } from "../Sandbox.js"
import type { AttemptState } from "./state.js"

/** The cancel reasons of an attempt whose sandbox was stopped after a deadline, by the stop reason of its runtime. */
export const deadlineReasons = {
  expired: "the deadline of its sandbox has passed",
  idle: "its sandbox was idle for too long"
} as const

/**
 * Returns the deadline of the sandbox that has passed: `expired` if it is the absolute one, `idle` if the sandbox is
 * ready and had no activity for its idle timeout. That time counts from the last activity, or from when the sandbox was
 * ready, whichever is later.
 */
export const passedDeadline = (
  { attempt, sandbox }: Pick<AttemptState, "attempt" | "sandbox">,
  now: number
): keyof typeof deadlineReasons | undefined => {
  if (Option.isNone(sandbox)) return undefined
  const { createdAt, expiresAt, idleTimeoutMs, lastActiveAt, status } = sandbox.value
  if (hasEnded(status)) return undefined
  if (Option.exists(expiresAt, ({ epochMillis }) => epochMillis <= now)) return "expired"
  if (status !== "ready") return undefined
  const readyAt = Option.flatMap(attempt, ({ finishedAt }) => finishedAt)
  const instants = [Option.some(createdAt), readyAt, lastActiveAt].flatMap(Option.toArray)
  const activeAt = Math.max(...instants.map(({ epochMillis }) => epochMillis))
  return Option.exists(idleTimeoutMs, (timeout) => activeAt + timeout <= now) ? "idle" : undefined
}
