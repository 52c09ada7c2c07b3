/**
 * Measures the memory of the Dashboard under a live view: `npm run dashboard:soak -- --minutes 60`. Two pages in Chromium,
 * the overview and the journal, follow up to 150 events in a second. Prints a line at the start, ten times in between and at the
 * end: the resident memory and the heap of this process, which is the server and the writer, and the heap of the pages,
 * after garbage collections. Ends by itself.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { parseArgs } from "node:util"
import type { Page } from "playwright-core"
import { browserPath, missingBrowser, openBrowser, openPage } from "../test/dashboard/browser/support/browser.js"
import { openDashboard } from "../test/dashboard/browser/support/dashboard.js"

const eventsPerCommit = 15
const commitEvery = 100
const lines = 11

const minutesOf = (text: string): number => {
  const minutes = Number(text)
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error("--minutes must be more than 0, and 1,440 at most")
  return minutes
}

const commit = (number: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${eventsPerCommit})
      INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, to_state, actor_type, occurred_at)
      SELECT 'job', 'job_' || ${number}, n, 'beginBuild', 'running', 'worker', ${Date.now()} FROM numbers`
  )

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(1)} MB`

/** The heap of a page after a garbage collection. */
const heapOf = async (page: Page) => {
  const session = await page.context().newCDPSession(page)
  await session.send("HeapProfiler.collectGarbage")
  const { usedSize } = await session.send("Runtime.getHeapUsage")
  await session.detach()
  return usedSize
}

const main = async () => {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" } } })
  const minutes = minutesOf(values.minutes)
  if (browserPath === undefined) throw new Error(missingBrowser)
  const dashboard = await openDashboard({ actor: "soak" })
  const browser = await openBrowser()
  const pages = await Promise.all(["/", "/events"].map(() => openPage(browser)))
  await Promise.all(["/", "/events"].map((path, index) => pages[index]?.page.goto(`${dashboard.url}${path}`)))
  const start = Date.now()
  const end = start + minutes * 60_000
  let events = 0
  const report = async () => {
    const heaps = await Promise.all(pages.map(({ page }) => heapOf(page)))
    collectGarbage()
    const { heapUsed, rss } = process.memoryUsage()
    const seconds = Math.max(1, Math.round((Date.now() - start) / 1000))
    console.log(
      `${seconds} s, ${events} events: server ${megabytes(rss)} resident, ${megabytes(heapUsed)} heap; ` +
        `overview ${megabytes(heaps[0] ?? 0)}, events ${megabytes(heaps[1] ?? 0)}`
    )
  }
  let nextReport = start
  for (let number = 0; Date.now() < end; number++) {
    if (Date.now() >= nextReport) {
      await report()
      nextReport += (minutes * 60_000) / lines
    }
    await dashboard.run(commit(number))
    events += eventsPerCommit
    await new Promise((resolve) => setTimeout(resolve, commitEvery))
  }
  await report()
  const errors = pages.flatMap((page) => page.errors)
  if (errors.length > 0) console.log(`errors of the pages: ${[...new Set(errors)].join("; ")}`)
  await browser.close()
  await dashboard.close()
}

await main()
