/**
 * The parts of the overview that are computed: depth over time, attempts of a job, and the place of a stream.
 */
import { describe, expect, it } from "@effect/vitest"
import { ControlPlaneEvent } from "@sealant/db"
import { ControlPlaneSubjectId } from "@sealant/db/events"
import { DateTime, Option } from "effect"
import { pointsOf } from "../../src/dashboard/activity.js"
import { placeOf } from "../../src/dashboard/handlers/overview.js"
import { runsOf } from "../../src/dashboard/jobRuns.js"

const change = (interval: number, fromState: string | undefined, toState: string, count: number) => ({
  interval,
  fromState: Option.fromNullable(fromState),
  toState: Option.some(toState),
  count
})

describe("pointsOf", () => {
  it("computes the depth of each interval backwards from the current counts", () => {
    const current = { queued: 1, running: 1, succeeded: 2, failed: 0, cancelled: 0 }
    const points = pointsOf(
      {
        from: DateTime.unsafeMake(0),
        changes: [
          change(0, undefined, "queued", 4),
          change(1, "queued", "running", 3),
          change(2, "running", "succeeded", 2)
        ]
      },
      1000,
      2500,
      current
    )
    expect(points.map(({ depth }) => [depth.queued, depth.running, depth.succeeded])).toEqual([
      [4, 0, 0],
      [1, 3, 0],
      [1, 1, 2]
    ])
    expect(points.map(({ started, succeeded }) => [started, succeeded])).toEqual([
      [0, 0],
      [3, 0],
      [0, 2]
    ])
    expect(points.map(({ at }) => Date.parse(at))).toEqual([0, 1000, 2000])
  })
})

const event = (position: number, toState: string, more: Partial<ControlPlaneEvent> = {}): ControlPlaneEvent =>
  new ControlPlaneEvent(
    {
      position,
      subjectType: "job",
      subjectId: ControlPlaneSubjectId.make("job"),
      sequence: position,
      eventType: "beginBuild",
      fromState: Option.none(),
      toState: Option.some(toState),
      actorType: "worker",
      actorId: Option.some("worker-a"),
      ownerUserId: Option.none(),
      payload: Option.none(),
      occurredAt: DateTime.unsafeMake(position * 1000),
      ...more
    },
    { disableValidation: true }
  )

describe("runsOf", () => {
  it("does not end an attempt with a change of the priority", () => {
    const runs = runsOf([
      event(1, "queued"),
      event(2, "running", { payload: Option.some({ leaseToken: 1 }) }),
      event(3, "running", { eventType: "setPriority", payload: Option.some({ leaseToken: 1, priority: 0 }) }),
      event(4, "succeeded", { eventType: "finishBuild" })
    ])
    expect(runs).toEqual([
      {
        workerId: "worker-a",
        leaseToken: 1,
        startedAt: "1970-01-01T00:00:02.000Z",
        endedAt: "1970-01-01T00:00:04.000Z",
        endedBy: "finishBuild",
        endState: "succeeded"
      }
    ])
  })

  it("returns an attempt for each lease, with its end, and the lost ones", () => {
    const runs = runsOf([
      event(1, "queued"),
      event(2, "running", { payload: Option.some({ leaseToken: 1 }) }),
      event(3, "running", { actorId: Option.some("worker-b"), payload: Option.some({ leaseToken: 2 }) }),
      event(4, "queued", { eventType: "failBuild", payload: Option.some({ errorCode: "disk" }) }),
      event(5, "running")
    ])
    expect(runs).toEqual([
      {
        workerId: "worker-a",
        leaseToken: 1,
        startedAt: "1970-01-01T00:00:02.000Z",
        endedAt: "1970-01-01T00:00:03.000Z",
        endedBy: "beginBuild",
        endState: "running"
      },
      {
        workerId: "worker-b",
        leaseToken: 2,
        startedAt: "1970-01-01T00:00:03.000Z",
        endedAt: "1970-01-01T00:00:04.000Z",
        endedBy: "failBuild",
        endState: "queued",
        errorCode: "disk"
      },
      { workerId: "worker-a", startedAt: "1970-01-01T00:00:05.000Z" }
    ])
  })
})

describe("placeOf", () => {
  it("prefers the id of the last message to the parameters, and ignores malformed ones", () => {
    expect(placeOf("abc:12", { epoch: "other", after: 1 })).toEqual(Option.some({ epoch: "abc", after: 12 }))
    expect(placeOf("abc", { epoch: "other", after: 1 })).toEqual(Option.some({ epoch: "other", after: 1 }))
    expect(placeOf("x y:1", {})).toEqual(Option.none())
    expect(placeOf(undefined, { epoch: "other", after: -1 })).toEqual(Option.none())
  })
})
