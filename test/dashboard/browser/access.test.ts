/**
 * The login of the Dashboard, and a Dashboard below a path of another server, in a browser.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Factories } from "@sealant/db/testing"
import { Redacted } from "effect"
import type { Browser } from "playwright-core"
import { browserPath, openBrowser, openPage } from "./support/browser.js"
import { openDashboard, type TestDashboard } from "./support/dashboard.js"

const token = "correct-horse-battery-staple-0123456789"

describe.skipIf(browserPath === undefined)("a Dashboard with a token below a path", () => {
  let dashboard: TestDashboard
  let browser: Browser

  beforeAll(async () => {
    dashboard = await openDashboard({ path: "/ops", token: Redacted.make(token) })
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await dashboard?.close()
  })

  it("shows its pages, live, after a login only, and none after the logout", async () => {
    const { job } = await dashboard.run(Factories.make.launch())
    const { context, page } = await openPage(browser)
    await page.goto(`${dashboard.url}/jobs/${job.id}`)
    await page.getByLabel("Token").fill("correct-horse-battery-staple-9876543210")
    await page.getByRole("button", { name: "Log in" }).click()
    await page.getByText("the token is wrong").waitFor()
    expect(await page.getByText(job.id).count()).toBe(0)

    await page.getByLabel("Token").fill(token)
    await page.getByRole("button", { name: "Log in" }).click()
    await page.getByRole("heading", { level: 1 }).getByText(job.id).waitFor()
    await page.getByText("Live", { exact: true }).waitFor()
    expect(await page.evaluate("document.cookie")).toBe("")

    // The session of the cookie, and links below the path.
    await page.reload()
    await page.getByRole("link", { name: "Build jobs" }).first().click()
    await page.locator(`a[title="${job.id}"]`).waitFor()
    expect(page.url()).toBe(`${dashboard.url}/jobs`)

    await page.getByRole("button", { name: "Log out" }).click()
    await page.getByLabel("Token").waitFor()
    await page.reload()
    await page.getByLabel("Token").waitFor()
    expect(await page.getByText(job.id).count()).toBe(0)
    await context.close()
  })
})
