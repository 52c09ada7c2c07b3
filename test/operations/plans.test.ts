/**
 * What operators look at is found along indexes, too.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Option, TestClock } from "effect"
import { WorkspaceBuildJobId } from "../../src/build-job/WorkspaceBuildJob.js"
import { listJobs, showJob } from "../../src/operations/jobs.js"
import { findStuck } from "../../src/operations/stuck.js"
import { fileLayer } from "../support/database.js"
import { planIssues } from "../support/plans.js"
import { job, now } from "./retentionRows.js"

it.effect("statements that list, show and count waiting jobs use an index", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(now)
    yield* job("one", { status: "failed", createdAt: 1, finishedAt: 1 })
    yield* job("two", { status: "queued", createdAt: 2, finishedAt: null })
    expect((yield* listJobs(10, Option.none())).map(({ id }) => id)).toEqual(["two", "one"])
    expect((yield* findStuck).dueJobs).toMatchObject({ value: { count: 1 } })
    expect(yield* planIssues(listJobs(10, Option.none()))).toEqual([])
    expect(yield* planIssues(listJobs(10, Option.some("failed")))).toEqual([])
    expect(yield* planIssues(showJob(WorkspaceBuildJobId.make("one")))).toEqual([])
    // The consumers are few, and all of them are looked at.
    const issues = yield* planIssues(findStuck)
    expect(issues.filter((issue) => !/control_plane_event_consumers/.test(issue))).toEqual([])
  }).pipe(Effect.provide(fileLayer))
)
