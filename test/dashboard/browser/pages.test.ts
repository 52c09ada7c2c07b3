/**
 * Every page of the Dashboard with seeded data, in a browser.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { violationsOf } from "./support/accessibility.js"
import { browserPath, missingBrowser, openBrowser, openPage, type TestPage } from "./support/browser.js"
import { openDashboard, type TestDashboard } from "./support/dashboard.js"
import { type Seeded, seed } from "./support/seed.js"

if (browserPath === undefined) process.stderr.write(`${missingBrowser}\n`)

describe.skipIf(browserPath === undefined)("pages of the Dashboard", () => {
  let dashboard: TestDashboard
  let browser: Browser
  let ids: Seeded
  // One window for all pages: a new one loads the scripts again.
  let shared: TestPage

  beforeAll(async () => {
    dashboard = await openDashboard()
    browser = await openBrowser()
    shared = await openPage(browser)
    ids = await dashboard.run(seed(Date.now()))
  })
  afterAll(async () => {
    await browser?.close()
    await dashboard?.close()
  })

  /** The address of each page, and a text that it shows when its data has arrived. */
  const pages: ReadonlyArray<readonly [name: string, address: () => string, heading: string | RegExp, text: RegExp]> = [
    ["overview", () => "/", "Overview", /worker-b/],
    ["build jobs", () => "/jobs", "Build jobs", /acme|storefront-\d+/],
    ["one build job", () => `/jobs/${ids.failedJobId}`, /job_/, /npm ci exited with code 1/],
    ["sandboxes", () => "/sandboxes?status=ready", "Sandboxes", /docker/],
    ["one sandbox", () => `/sandboxes/${ids.sandboxId}`, /-\d+$/, /Attempt 1, launch/],
    ["issue workflows", () => "/workflows", "Issue workflows", /Merge the carts/],
    ["one workflow", () => `/workflows/${ids.workflowId}`, /Merge the carts/, /Executions/],
    ["one execution", () => `/executions/${ids.executionId}`, /wfx_/, /240 events/],
    ["changed files", () => `/executions/${ids.executionId}?tab=files`, /wfx_/, /src\/cart\/merge\.ts/],
    ["artifacts", () => `/executions/${ids.executionId}?tab=artifacts`, /wfx_/, /art_coverage/],
    ["webhooks", () => "/webhooks", "Webhooks", /issues\.opened/],
    ["one webhook delivery", () => `/webhooks/${ids.deliveryId}`, /delivery_/, /What the delivery changed/],
    ["events", () => "/events", "Events", /The journal ends at position/],
    ["one event", () => "/events/1", "Event 1", /Number in its subject/],
    ["tables", () => "/database", "Database", /control_plane_events/],
    ["migrations", () => "/database?tab=migrations", "Database", /0001_auth/],
    ["retention", () => "/database?tab=retention", "Database", /A purge would remove/],
    ["backups", () => "/database?tab=backups", "Database", /Make a backup/],
    ["keys", () => "/database?tab=keys", "Database", /4 of 4 values/],
    ["health", () => "/database?tab=health", "Database", /all pages, indexes and references are intact/]
  ]

  const inDarkMode = ["overview", "build jobs", "one build job", "one sandbox", "one execution", "events", "tables"]

  const show = async (page: Page, address: string, heading: string | RegExp, text: RegExp) => {
    await page.goto(`${dashboard.url}${address}`)
    await page.getByRole("heading", { level: 1, name: heading }).waitFor()
    await page.getByText(text).first().waitFor()
    // Placeholders have no text, but another contrast.
    await page.locator(".skeleton").first().waitFor({ state: "detached" })
  }

  it.each(pages)(
    "the page of %s shows its data, without errors in the console and serious violations of accessibility",
    async (_, address, heading, text) => {
      const { errors, page } = shared
      const before = errors.length
      await show(page, address(), heading, text)
      expect([await violationsOf(page), errors.slice(before)]).toEqual([[], []])
    }
  )

  it("in dark mode texts have enough contrast, and no page is wider than a window of 800 px", async () => {
    const { page } = shared
    await page.emulateMedia({ colorScheme: "dark" })
    await page.setViewportSize({ width: 800, height: 800 })
    const found: Array<string> = []
    for (const [name, address, heading, text] of pages.filter(([name]) => inDarkMode.includes(name))) {
      await show(page, address(), heading, text)
      const overflow: number = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
      if (overflow > 0) found.push(`${name}: ${overflow} px too wide`)
      found.push(...(await violationsOf(page, ["color-contrast"])).map((violation) => `${name}: ${violation}`))
    }
    expect(found).toEqual([])
    await page.emulateMedia({ colorScheme: "light" })
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  it("the theme of the menu is kept in the browser", async () => {
    const { context, page } = await openPage(browser)
    const background = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
    await show(page, "/jobs", "Build jobs", /succeeded/)
    const light = await background()
    await page.getByRole("button", { name: "Theme" }).click()
    await page.getByRole("menuitemradio", { name: "Dark" }).click()
    const dark = await background()
    await page.reload()
    await page.getByRole("heading", { name: "Build jobs" }).waitFor()
    expect([light === dark, await background()]).toEqual([false, dark])
    await context.close()
  })

  it("a diagram of the schema is drawn", async () => {
    const { errors, page } = shared
    const before = errors.length
    await page.goto(`${dashboard.url}/database?tab=schema`)
    await page.getByRole("img", { name: /Diagram of/ }).waitFor()
    await page.waitForFunction("document.querySelector('.diagram img').naturalWidth > 200")
    expect(errors.slice(before)).toEqual([])
  })

  it("a list without rows explains what it would contain", async () => {
    const { page } = shared
    await page.goto(`${dashboard.url}/jobs?worker=unknown`)
    await page.getByRole("heading", { name: "No job matches the filters" }).waitFor()
    await page.getByRole("button", { name: "Clear filters" }).click()
    await page
      .getByRole("link", { name: /storefront-/ })
      .first()
      .waitFor()
    expect(new URL(page.url()).search).toBe("")
  })

  it("an address without a page, and an id without a row, have a message", async () => {
    const { page } = shared
    await page.goto(`${dashboard.url}/nowhere`)
    await page.getByRole("heading", { name: "There is no page at this address" }).waitFor()
    await page.goto(`${dashboard.url}/jobs/job_missing`)
    await page.getByRole("alert").getByText("job_missing was not found").waitFor()
  })
})
