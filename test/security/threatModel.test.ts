/**
 * Each protection in the threat model links an existing test.
 */
import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { titlesIn } from "../support/titles.js"

const directory = new URL("../../docs/", import.meta.url)
const text = ["threat-model.md", "threat-model-storage.md"]
  .map((name) => readFileSync(new URL(name, directory), "utf8"))
  .join("\n")

/** The links to tests, as the title of the test and its file. */
const claimed = [...text.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].map(
  ([, title = "", file = ""]) => [title.replaceAll(/\s+/g, " "), file] as const
)

/** The titles of the tests in a file. */
const titlesOf = (file: URL) =>
  titlesIn(readFileSync(file, "utf8")).flatMap(({ isTest, text }) => (isTest ? [text] : []))

describe("the threat model", () => {
  it.each(claimed)("%s (%s)", (title, file) => {
    const url = new URL(file, directory)
    expect(existsSync(url), `${file} is there`).toBe(true)
    expect(titlesOf(url)).toContain(title)
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
