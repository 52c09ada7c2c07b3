/**
 * Actions, live updates, keys and hostile texts in the pages of the Dashboard, in a browser.
 */
import { SqlClient } from "@effect/sql"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { ControlPlaneEvents, SandboxLifecycle, WorkspaceBuildJobRepo } from "@sealant/db"
import { Factories } from "@sealant/db/testing"
import { Effect } from "effect"
import type { Browser } from "playwright-core"
import { browserPath, openBrowser, openPage, type TestPage } from "./support/browser.js"
import { openDashboard, type TestDashboard } from "./support/dashboard.js"

const { make } = Factories

const launch = (name: string) =>
  Effect.gen(function* () {
    const { id: ownerUserId } = yield* make.user()
    const lifecycle = yield* SandboxLifecycle
    return yield* lifecycle.launch({
      ownerUserId,
      name,
      spec: Factories.exampleSpec,
      registryId: "registry",
      repository: "acme/app",
      tag: "latest"
    })
  })

/** Texts that a browser would run, or that would change what a reader sees. */
const hostile =
  "<script>window.attacked = true</script><img src=x onerror='window.attacked=true'>\u202egnp.exe\u001b[31mred"

const shown = "<script>window.attacked = true</script><img src=x onerror='window.attacked=true'><U+202E>gnp.exe"

describe.skipIf(browserPath === undefined)("use of the Dashboard", () => {
  let dashboard: TestDashboard
  let browser: Browser
  // One window for all tests: a new one loads the scripts again.
  let shared: TestPage

  beforeAll(async () => {
    dashboard = await openDashboard()
    browser = await openBrowser()
    shared = await openPage(browser)
  })
  afterAll(async () => {
    await browser?.close()
    await dashboard?.close()
  })

  it("a failed job is redriven after a confirmation that contains its id", async () => {
    const { id } = await dashboard.run(make.buildJob({ status: "failed" }))
    const { page } = shared
    await page.goto(`${dashboard.url}/jobs?status=failed`)
    await page.locator(`a[title="${id}"]`).click()
    await page.getByRole("button", { name: "Redrive" }).click()
    const dialog = page.getByRole("alertdialog", { name: "Redrive this job?" })
    await dialog.getByText(id).waitFor()
    await dialog.getByRole("button", { name: "Redrive" }).click()
    await page.getByText(`Job ${id} is queued again`).waitFor()
    const job = await dashboard.run(Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(id)))
    expect(job.status).toBe("queued")
  })

  it("a queued job is cancelled with a reason, by the operator in the journal", async () => {
    const { attempt, job } = await dashboard.run(launch("to-cancel"))
    const { page } = shared
    await page.goto(`${dashboard.url}/jobs/${job.id}`)
    await page.getByRole("button", { name: "Cancel job" }).click()
    await page.getByLabel("Reason, shown to the owner").fill("not needed")
    await page.getByRole("alertdialog").getByRole("button", { name: "Cancel job" }).click()
    await page.getByText(`Job ${job.id} is cancelled`).waitFor()
    const after = await dashboard.run(Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(job.id)))
    const { items } = await dashboard.run(
      Effect.flatMap(ControlPlaneEvents, (events) =>
        Effect.map(events.read({ limit: 500 }), (read) => ({
          items: read.filter(({ subjectId }) => [job.id, attempt.id].some((id) => String(id) === String(subjectId)))
        }))
      )
    )
    expect(after.status).toBe("cancelled")
    expect(items.map(({ actorId }) => actorId)).toContainEqual(expect.objectContaining({ value: "tester" }))
  })

  it("the priority of a queued job is changed, and a priority out of range is not sent", async () => {
    const { job } = await dashboard.run(launch("to-prefer"))
    const { page } = shared
    await page.goto(`${dashboard.url}/jobs/${job.id}`)
    await page.getByRole("button", { name: "Change priority" }).click()
    const dialog = page.getByRole("alertdialog", { name: "Change the priority of this job?" })
    await dialog.getByLabel("Priority, 0 to 9").fill("10")
    await dialog.getByRole("button", { name: "Change priority" }).click()
    expect(await dialog.isVisible()).toBe(true)
    await dialog.getByLabel("Priority, 0 to 9").fill("0")
    await dialog.getByRole("button", { name: "Change priority" }).click()
    await page.getByText(`The priority of job ${job.id} has changed`).waitFor()
    const after = await dashboard.run(Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => jobs.getById(job.id)))
    expect(after.priority).toBe(0)
  })

  it("rows and events that are committed while the page is open appear", async () => {
    const { page } = shared
    await page.goto(`${dashboard.url}/events`)
    await page.getByText(/The journal ends at position/).waitFor()
    await page.getByText("Live", { exact: true }).waitFor()
    const { sandbox } = await dashboard.run(launch("appears"))
    await page.locator(`a[title="${sandbox.id}"]`).first().waitFor()
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.getByRole("link", { name: "appears" }).waitFor()
    await dashboard.run(launch("appears-later"))
    await page.getByRole("link", { name: "appears-later" }).waitFor()
  })

  it("keys move between pages and rows, open a row, search an id and show help", async () => {
    const { sandbox } = await dashboard.run(launch("by-keys"))
    const { page } = shared
    await page.goto(dashboard.url)
    await page.getByRole("heading", { name: "Overview" }).waitFor()
    await page.keyboard.press("?")
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor()
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.getByRole("link", { name: "by-keys" }).waitFor()
    await page.keyboard.press("j")
    expect(await page.evaluate("document.activeElement.textContent")).toBe("by-keys")
    await page.keyboard.press("Enter")
    await page.getByRole("heading", { name: "by-keys" }).waitFor()
    expect(await page.title()).toBe("Sandbox by-keys · Sealant")
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await page.getByRole("heading", { name: "Build jobs" }).waitFor()
    await page.keyboard.press("/")
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("Owner id")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox", { name: "Search" }).fill(sandbox.id)
    await page.getByRole("option", { name: /sandbox/, selected: true }).waitFor()
    await page.keyboard.press("Enter")
    await page.getByRole("heading", { name: "by-keys" }).waitFor()
  })

  it("stored scripts, escape sequences and direction controls are shown as text", async () => {
    const { job, sandbox } = await dashboard.run(
      make.launch({
        sandbox: { name: hostile },
        job: { status: "failed", errorMessage: hostile, errorCode: hostile, workerId: hostile }
      })
    )
    const { executionId } = await dashboard.run(make.executionEvent({ message: hostile, phase: hostile }))
    const delivery = await dashboard.run(
      make.webhookDelivery({
        status: "failed",
        errorMessage: hostile,
        eventType: hostile,
        payload: { [hostile]: hostile }
      })
    )
    const { page } = shared
    const found: Array<string> = []
    for (const address of [
      "/jobs?status=failed",
      `/jobs/${job.id}`,
      `/sandboxes/${sandbox.id}`,
      `/executions/${executionId}`,
      `/webhooks/${delivery.id}`
    ]) {
      await page.goto(`${dashboard.url}${address}`)
      await page.getByText(shown).first().waitFor()
      const payload = page.getByRole("button", { name: "Show payload" })
      if (address.startsWith("/webhooks/")) {
        await payload.click()
        await page.getByRole("region", { name: "Payload" }).getByText(shown).first().waitFor()
      }
      const text: string = await page.evaluate("document.body.textContent + document.title")
      if (["\u001b", "\u202e"].some((control) => text.includes(control))) found.push(`${address}: a control character`)
      if (await page.evaluate<boolean>("'attacked' in window")) found.push(`${address}: a script has run`)
    }
    expect(found).toEqual([])
  })

  it("a read-only Dashboard has no actions, shows no documents, and closes while a page is open", async () => {
    const readOnly = await openDashboard({ readOnly: true })
    const { id } = await readOnly.run(make.buildJob({ status: "failed" }))
    const { context, page } = await openPage(browser)
    await page.goto(`${readOnly.url}/jobs/${id}`)
    await page.getByText("Read-only", { exact: true }).waitFor()
    await page.getByText("This Dashboard does not show documents").waitFor()
    expect(await page.getByRole("button", { name: "Redrive" }).count()).toBe(0)
    // The overview reads for a while. It follows the live stream, and connects again when that ends.
    await page.goto(readOnly.url)
    await page.getByText("Live", { exact: true }).waitFor()
    await readOnly.close()
    await context.close()
  })

  it("all jobs that match a filter are redriven after their number is shown", async () => {
    await dashboard.run(
      Effect.forEach([1, 2, 3], (number) =>
        make.buildJob({ id: `job_many_${number}`, status: "failed", errorCode: "flaky-registry" })
      )
    )
    const { page } = shared
    await page.goto(`${dashboard.url}/jobs?status=failed&error=flaky-registry`)
    await page.getByRole("button", { name: "Redrive matching jobs" }).click()
    const dialog = page.getByRole("alertdialog")
    await dialog.getByText("3 jobs").waitFor()
    await dialog.getByRole("button", { name: "Redrive matching jobs" }).click()
    await page.getByText("The jobs are queued again").waitFor()
    const rows = await dashboard.run(
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql<{ readonly status: string }>`SELECT status FROM oci_image_build_jobs WHERE id LIKE 'job_many_%'`
      )
    )
    expect(rows.map(({ status }) => status)).toEqual(["queued", "queued", "queued"])
  })
})
