/**
 * `docs/sql.md`: the statements of every method of every service.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Predicate } from "effect"
import { layerTest } from "@sealant/db/testing"
import { readFileSync } from "node:fs"
import { format } from "../../scripts/sql/format.js"
import { currentDocument, sqlDocument } from "../../scripts/sql/main.js"
import { normalized } from "../../scripts/sql/render.js"
import { failText, succeedText, texts } from "../../src/build-job/claim.js"
import { services } from "./services.js"

const committed = readFileSync(sqlDocument, "utf8")

/** The part of the document about one method. */
const sectionOf = (method: string) => committed.split(`\n### ${method}\n`)[1]?.split(/\n##/)[0] ?? ""

describe("docs/sql.md", () => {
  it.effect("is what `npm run docs:sql` writes", () =>
    Effect.map(currentDocument, (document) => {
      if (committed !== document) expect.fail("docs/sql.md is stale: run npm run docs:sql")
    })
  )

  it.effect("has the statements of each method of each service", () =>
    Effect.gen(function* () {
      const methods = yield* Effect.forEach(services, ({ name, tag }) =>
        Effect.map(tag, (service) => Object.keys(service).map((method) => `${name}.${method}`))
      )
      const isDescribed = (section: string) => /```sql\n|^- .*\]\(#|^Calls |^Runs no statement/m.test(section)
      expect(methods.flat().length).toBeGreaterThan(200)
      expect(methods.flat().filter((method) => !isDescribed(sectionOf(method)))).toEqual([])
    }).pipe(Effect.provide(layerTest))
  )

  it("has each constant statement of the build queue", () => {
    const constants = [...Object.values(texts).filter(Predicate.isString), succeedText, failText]
    expect(constants.filter((text) => !committed.includes(`\n${format(normalized(text))}\n`))).toEqual([])
  })

  it.each([
    ["claimNext", "status = iif(attempt_count < max_attempts, 'processing', 'failed')"],
    ["claimNext", "error_message = 'the row of the delivery cannot be read'"],
    ["heartbeat", "lease_expires_at = ?5"],
    ["markProcessed", "status = 'processed'"],
    ["markIgnored", "status = 'ignored'"],
    ["markFailed", "lease_outcome = iif(?5"],
    ["release", "lease_outcome = 'released'"],
    ["reapExpired", "lease_outcome = 'expired'"]
  ])("has the statement of the webhook inbox: %s with %s", (method, assignment) => {
    const section = sectionOf(`GitHubWebhookDeliveryRepo.${method}`)
    expect(section).toContain("UPDATE github_webhook_deliveries SET")
    expect(section).toContain(assignment)
  })

  it("has links to headings only", () => {
    const headings = new Set(
      Array.from(committed.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-")
      )
    )
    const anchors = Array.from(committed.matchAll(/\]\(#([^)]*)\)/g), ([, anchor = ""]) => anchor)
    expect(anchors.length).toBeGreaterThan(200)
    expect(anchors.filter((anchor) => !headings.has(anchor))).toEqual([])
  })
})
