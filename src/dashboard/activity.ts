/**
 * The activity of the build queue over time, from counts of the journal.
 */
import type { WorkspaceBuildJobStatus } from "../build-job/WorkspaceBuildJob.js"
import { DateTime, Option, Record } from "effect"
import type { JournalActivity } from "../events/ControlPlaneEvent.js"
import type { ActivityPoint } from "./api/index.js"

type Counts = Readonly<Record<WorkspaceBuildJobStatus, number>>

/**
 * Returns a point for each interval up to `now`, oldest first. The depth of the queue is computed backwards from the
 * current counts: the depth before an interval is the depth after it, without the jobs that entered a state in it, and
 * with those that left it. A job that was enqueued without a launch has no event, and counts from the beginning.
 */
export const pointsOf = (
  { changes, from }: JournalActivity,
  intervalMs: number,
  now: number,
  current: Counts
): ReadonlyArray<ActivityPoint> => {
  const start = DateTime.toEpochMillis(from)
  const last = Math.max(0, Math.floor((now - start) / intervalMs))
  const points: Array<ActivityPoint> = []
  let depth = current
  for (let interval = last; interval >= 0; interval--) {
    const here = changes.filter((change) => change.interval === interval)
    const sum = (is: (from: string | undefined, to: string | undefined) => boolean) =>
      here
        .filter(({ fromState, toState }) => is(Option.getOrUndefined(fromState), Option.getOrUndefined(toState)))
        .reduce((total, { count }) => total + count, 0)
    points.unshift({
      at: new Date(start + interval * intervalMs).toISOString(),
      started: sum((_, to) => to === "running"),
      succeeded: sum((_, to) => to === "succeeded"),
      failed: sum((_, to) => to === "failed"),
      cancelled: sum((_, to) => to === "cancelled"),
      retried: sum((from, to) => from === "running" && (to === "queued" || to === "running")),
      depth
    })
    const after: Counts = depth
    depth = Record.map(current, (_, status) => {
      const entered = sum((_, to) => to === status)
      const left = sum((from) => from === status)
      return Math.max(0, after[status] - entered + left)
    })
  }
  return points
}
