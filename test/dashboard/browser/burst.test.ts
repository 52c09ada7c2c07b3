/**
 * Pages of the Dashboard while thousands of events are committed, in a browser.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Browser } from "playwright-core"
import { browserPath, openBrowser, openPage } from "./support/browser.js"
import { openDashboard, type TestDashboard } from "./support/dashboard.js"

const commits = 40
const eventsOfCommit = 250

/** Commits 10,000 events, each commit after the other. */
const burst = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (let commit = 0; commit < commits; commit++) {
    yield* sql`
      WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${eventsOfCommit})
      INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
      SELECT 'job', 'job_' || ${commit}, n, 'heartbeat', 'worker', ${Date.now()} FROM numbers`
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

describe.skipIf(browserPath === undefined)("pages of the Dashboard during a burst of events", () => {
  let dashboard: TestDashboard
  let browser: Browser

  beforeAll(async () => {
    dashboard = await openDashboard()
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await dashboard?.close()
  })

  it("follow links, end at the newest position, and show a bounded number of rows", async () => {
    const { context, errors, page } = await openPage(browser)
    await page.goto(`${dashboard.url}/events`)
    await page.getByText(/The journal ends at position/).waitFor()
    await page.getByText("Live", { exact: true }).waitFor()
    const committed = dashboard.run(burst)
    for (let visit = 0; visit < 3; visit++) {
      for (const name of ["Build jobs", "Events"]) {
        await page.getByRole("link", { name, exact: true }).click()
        await page.getByRole("heading", { level: 1, name }).waitFor()
      }
    }
    await committed
    await page.getByText("The journal ends at position 10,000").waitFor()
    expect(await page.locator("tbody tr").count()).toBeLessThanOrEqual(500)
    expect(errors).toEqual([])
    await context.close()
  })
})
