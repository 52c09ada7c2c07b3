/**
 * Writes the screenshots of the Dashboard into `docs/dashboard`: `npm run dashboard:screenshots`. Needs the built page
 * (`npm run build:dashboard`) and Chromium. The data is that of the tests in a browser.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { browserPath, missingBrowser, openBrowser, openPage } from "../test/dashboard/browser/support/browser.js"
import { openDashboard } from "../test/dashboard/browser/support/dashboard.js"
import { type Seeded, seed } from "../test/dashboard/browser/support/seed.js"
import { shrinkPng } from "./dashboard/png.js"

const directory = fileURLToPath(new URL("../docs/dashboard", import.meta.url))

/** The file, the address, and a text that is on the page when its data has arrived. */
const shotsOf = (ids: Seeded): ReadonlyArray<readonly [file: string, address: string, text: RegExp]> => [
  ["overview", "/", /worker-b/],
  ["jobs", "/jobs", /worker-b/],
  ["job", `/jobs/${ids.failedJobId}`, /npm ci exited/],
  ["sandboxes", "/sandboxes", /docker/],
  ["sandbox", `/sandboxes/${ids.sandboxId}`, /Attempt 1, launch/],
  ["workflows", "/workflows", /Merge the carts/],
  ["execution", `/executions/${ids.executionId}`, /240 events/],
  ["webhooks", "/webhooks", /issues\.opened/],
  ["events", "/events", /The journal ends/],
  ["database", "/database", /control_plane_events/],
  ["schema", "/database?tab=schema", /table/]
]

/** The time in which charts and diagrams are drawn after their data has arrived, in milliseconds. */
const drawing = 3000

const main = async () => {
  if (browserPath === undefined) throw new Error(missingBrowser)
  mkdirSync(directory, { recursive: true })
  const dashboard = await openDashboard({ actor: "ada" })
  const browser = await openBrowser()
  const ids = await dashboard.run(seed(Date.now()))
  const shoot = async (colorScheme: "dark" | "light", names: ReadonlyArray<string>) => {
    const { context, page } = await openPage(browser, { colorScheme })
    for (const [file, address, text] of shotsOf(ids).filter(([file]) => names.length === 0 || names.includes(file))) {
      await page.goto(`${dashboard.url}${address}`)
      await page.getByText(text).first().waitFor()
      await page.waitForTimeout(drawing)
      const name = `${file}${colorScheme === "dark" ? "-dark" : ""}.png`
      const image = shrinkPng(await page.screenshot())
      writeFileSync(`${directory}/${name}`, image)
      console.log(`${name} ${Math.round(image.length / 1000)} kB`)
    }
    await context.close()
  }
  await shoot("light", [])
  await shoot("dark", ["overview", "execution"])
  await browser.close()
  await dashboard.close()
}

await main()
