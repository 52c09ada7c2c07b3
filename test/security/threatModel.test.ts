/**
 * The threat model claims nothing that no test holds.
 */
import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import ts from "typescript"

const document = new URL("../../docs/threat-model.md", import.meta.url)
const text = readFileSync(document, "utf8")

/** The links to tests, as the title of the test and its file. */
const claimed = [...text.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].map(
  ([, title = "", file = ""]) => [title.replaceAll(/\s+/g, " "), file] as const
)

/** The titles of tests in a file: what stands first in a call of `it`, `it.effect`, `it.effect.each(...)` and their like. */
const titlesIn = (file: URL): ReadonlySet<string> => {
  const titles = new Set<string>()
  const visit = (node: ts.Node): void => {
    const [title] = ts.isCallExpression(node) ? node.arguments : []
    if (
      title !== undefined &&
      ts.isCallExpression(node) &&
      ts.isStringLiteral(title) &&
      calls(node.expression) === "it"
    )
      titles.add(title.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file.pathname, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true))
  return titles
}

/** The name that a chain of calls and members begins with. */
const calls = (node: ts.Expression): string | undefined =>
  ts.isIdentifier(node)
    ? node.text
    : ts.isCallExpression(node) || ts.isPropertyAccessExpression(node)
      ? calls(node.expression)
      : undefined

describe("the threat model", () => {
  it.each(claimed)("%s (%s)", (title, file) => {
    const url = new URL(file, document)
    expect(existsSync(url), `${file} is there`).toBe(true)
    expect([...titlesIn(url)]).toContain(title)
  })

  it("links a test for each protection", () => {
    const points = text
      .split(/\n(?=- |## )/)
      .filter((point) => point.startsWith("- ") && !point.startsWith("- Not kept"))
    expect(points.length).toBeGreaterThan(10)
    expect(points.filter((point) => !point.includes("](../test/"))).toEqual([])
  })

  it("lists the gaps for each attacker", () => {
    const sections = text.split(/\n## /).slice(1)
    expect(sections.filter((section) => !section.includes("- Not kept: "))).toEqual([])
  })

  it("is linked from the README", () => {
    expect(readFileSync(new URL("../../README.md", import.meta.url), "utf8")).toContain("(docs/threat-model.md)")
  })
})
