/**
 * The list of build jobs with 100,000 rows, in a browser.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Factories } from "@sealant/db/testing"
import { Effect } from "effect"
import type { Browser, Page } from "playwright-core"
import { browserPath, openBrowser, openPage } from "./support/browser.js"
import { openDashboard, type TestDashboard } from "./support/dashboard.js"

const jobCount = 100_000

/** Copies one failed job: every thousandth copy has another error code. */
const manyJobs = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const first = yield* Factories.make.buildJob({ status: "failed", errorCode: "build-failed" })
  const columns = (yield* sql<{ readonly name: string }>`
    SELECT name FROM pragma_table_info('oci_image_build_jobs')`).map(({ name }) => name)
  const copied = columns.map((name) => {
    if (name === "id") return "'job_' || printf('%06d', n)"
    if (name === "created_at") return "created_at + n"
    return name === "error_code" ? "CASE n % 1000 WHEN 0 THEN 'registry-gone' ELSE error_code END" : name
  })
  yield* sql.unsafe(
    `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${jobCount})
     INSERT INTO oci_image_build_jobs (${columns.join(", ")})
     SELECT ${copied.join(", ")} FROM numbers, oci_image_build_jobs WHERE id = '${first.id}'`
  )
})

const firstRow = (page: Page) => page.locator("[data-row-link]").first().getAttribute("title")

describe.skipIf(browserPath === undefined)("build jobs of the Dashboard", () => {
  let dashboard: TestDashboard
  let browser: Browser

  beforeAll(async () => {
    dashboard = await openDashboard()
    browser = await openBrowser()
    await dashboard.run(manyJobs)
  })
  afterAll(async () => {
    await browser?.close()
    await dashboard?.close()
  })

  it("100,000 jobs are filtered and paged, and the address contains the filter and the page", async () => {
    const { context, errors, page } = await openPage(browser)
    await page.goto(`${dashboard.url}/jobs`)
    await page.locator('a[title="job_100000"]').waitFor()
    await page.getByRole("button", { name: "Next page" }).click()
    await page.locator('a[title="job_099950"]').waitFor()
    expect(await firstRow(page)).toBe("job_099950")
    await page.getByRole("button", { name: "Previous page" }).click()
    await page.locator('a[title="job_100000"]').waitFor()

    await page.getByLabel("Error code").fill("registry-gone")
    await page.keyboard.press("Enter")
    await page.locator('a[title="job_099000"]').waitFor()
    await page.getByRole("button", { name: "Next page" }).click()
    // A page examines 10,000 jobs.
    await page.locator('a[title="job_090000"]').waitFor()
    expect(new URL(page.url()).searchParams.get("error")).toBe("registry-gone")

    // The address of a page of a list can be opened again.
    await page.reload()
    await page.locator('a[title="job_090000"]').waitFor()
    expect(await page.getByText("Page 2, 10 rows").count()).toBe(1)
    await page.getByRole("button", { name: "Newest" }).click()
    await page.locator('a[title="job_100000"]').waitFor()
    expect(errors).toEqual([])
    await context.close()
  })
})
