/**
 * Checks of accessibility by axe-core.
 */
import axe, { type AxeResults } from "axe-core"
import type { Page } from "playwright-core"

const loaded = "typeof axe === 'object'"

/** Returns the serious and critical violations of a page, of all rules or of some. */
export const violationsOf = async (page: Page, rules?: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  if (!(await page.evaluate<boolean>(loaded))) await page.evaluate(`${axe.source}; undefined`)
  const options = {
    resultTypes: ["violations"],
    ...(rules === undefined
      ? { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] } }
      : { runOnly: { type: "rule", values: rules } })
  }
  const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(options)})`)
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.slice(0, 2).map(({ html }) => `${id}: ${html.slice(0, 160)}`))
}
