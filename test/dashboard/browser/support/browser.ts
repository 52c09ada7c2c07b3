/**
 * The browser of the tests: Chromium or Chrome of this computer. Nothing is downloaded.
 */
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]

const paths = [
  ...(process.env["PATH"] ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name))),
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium"
]

/** The program of the browser: `SEALANT_TEST_BROWSER`, or the first one that is found. */
export const browserPath: string | undefined =
  process.env["SEALANT_TEST_BROWSER"] ?? paths.find((path) => existsSync(path))

/** The reason for which tests are skipped without a browser, and the remedy. */
export const missingBrowser =
  "tests in a browser are skipped: install Chromium (Debian: apt-get install chromium), or name one in SEALANT_TEST_BROWSER"

/** Starts the browser without a window. It sends nothing to other hosts. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    ...(browserPath === undefined ? {} : { executablePath: browserPath }),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run"
    ]
  })

/** A page, and the errors that occurred in it: exceptions, failed requests, refusals of the content security policy. */
export interface TestPage {
  readonly page: Page
  readonly context: BrowserContext
  readonly errors: ReadonlyArray<string>
}

/** Opens a page of 1280 × 800 with a window of its own. */
export const openPage = async (
  browser: Browser,
  options: { readonly colorScheme?: "dark" | "light"; readonly width?: number } = {}
): Promise<TestPage> => {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 800 },
    colorScheme: options.colorScheme ?? "light",
    reducedMotion: "reduce"
  })
  const page = await context.newPage()
  // Bounds a hang, also on a loaded machine: below the timeout of a test.
  page.setDefaultTimeout(120_000)
  const errors: Array<string> = []
  page.on("pageerror", (error) => errors.push(error.message))
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text())
  })
  return { page, context, errors }
}
