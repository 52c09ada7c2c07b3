/**
 * The language of sources, tests and docs: plain technical English, with the field's terms.
 */
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { titlesIn } from "./support/titles.js"

const root = fileURLToPath(new URL("..", import.meta.url))

const filesIn = (folder: string, ending: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => ending.test(file))
    .map((file) => join(root, folder, file))

/** A piece of prose, and its place as `file:line`. */
interface Prose {
  readonly place: string
  readonly text: string
}

const textOf = (comment: string) =>
  comment
    .replaceAll(/```[\s\S]*?```/g, "")
    .replaceAll(/^\s*(\/\*\*|\*\/|\* ?|\/\/ ?)/gm, "")
    .replace(/\*\/$/, "")
    .trim()

const placeOf = (file: string, source: string, index: number) =>
  `${relative(root, file)}:${source.slice(0, index).split("\n").length}`

/** The comments of a source file. */
const commentsOf = (file: string, source = readFileSync(file, "utf8")): ReadonlyArray<Prose> =>
  Array.from(source.matchAll(/\/\*\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm), ({ 0: comment, index }) => ({
    place: placeOf(file, source, index),
    text: textOf(comment)
  }))

/** The titles of tests in a source file. */
const titlesOf = (file: string, source = readFileSync(file, "utf8")): ReadonlyArray<Prose> =>
  titlesIn(source).map(({ index, text }) => ({ place: placeOf(file, source, index), text }))

/** The docstrings of declarations and of members. */
const docstringsOf = (file: string): ReadonlyArray<Prose> => {
  const source = readFileSync(file, "utf8")
  return Array.from(source.matchAll(/\/\*\*[\s\S]*?\*\//g), ({ 0: comment, index }) => ({
    place: placeOf(file, source, index),
    text: textOf(comment)
  }))
}

/** The prose of a document: without code and the targets of links. */
const documentOf = (file: string, source = readFileSync(file, "utf8")): Prose => ({
  place: relative(root, file),
  text: source
    .replaceAll(/```[\s\S]*?```/g, "")
    .replaceAll(/`[^`]*`/g, "")
    .replaceAll(/\]\([^)]*\)/g, "]")
})

const sources = ["src", "examples", "scripts", "dashboard/src"].flatMap((folder) => filesIn(folder, /\.tsx?$/))
const tests = filesIn("test", /\.ts$/).filter((file) => !relative(root, file).startsWith(join("test", "fixtures")))
const documents = [
  ...filesIn("docs", /\.md$/).filter((file) => !file.endsWith("schema.md")),
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map((file) => join(root, file))
]

/** Words of a private dialect, and the term to use. */
const banned: ReadonlyArray<readonly [pattern: RegExp, instead: string]> = [
  [/\b(tell|tells|told|says|said)\b/i, "data does not speak: contains, records, returns, reports"],
  [/\b(puts?|taken?|takes) (it |them |one )?away\b/i, "archive, remove"],
  [/\bmend(s|ed|ing)?\b/i, "repair"],
  [/\bout of shape\b|\bnot of its shape\b/i, "invalid"],
  [/\bforeign cursor\b/i, "malformed cursor"],
  [/\bas of one moment\b/i, "consistent snapshot"],
  [/\bstir(s|red|ring)?\b/i, "file-change notification"],
  [/\bthe visit\b/i, "the demo"],
  [/\bnobody's\b|\bnone of ours\b|\bno such shape\b/i, "state what it is"],
  [/\bcounts as not there\b/i, "is reported as NotFound"],
  [/\bbooks (are|balance)/i, "invariants"],
  [/\bgoes on\b|\bis over\b/i, "is active, has ended"],
  [/\bon the way\b|\bcomes over\b/i, "name the step"]
]

const findings = (prose: ReadonlyArray<Prose>) =>
  prose.flatMap(({ place, text }) =>
    banned.flatMap(([pattern, instead]) => {
      const found = pattern.exec(text)
      return found === null ? [] : [`${place}: "${found[0]}" (${instead})`]
    })
  )

describe("language", () => {
  it("comments, test titles and docs use the terms of the style guide", () => {
    const comments = [...sources, ...tests].flatMap((file) => commentsOf(file))
    const titles = tests.flatMap((file) => titlesOf(file))
    expect(comments.length).toBeGreaterThan(2000)
    expect(titles.length).toBeGreaterThan(1000)
    expect(findings([...comments, ...titles, ...documents.map((file) => documentOf(file))])).toEqual([])
  })

  it("the check finds banned words in comments, titles of tests and texts of links", () => {
    const word = ["te", "lls"].join("")
    const planted = [
      ...commentsOf("a.ts", `/** It ${word} its state. */`),
      ...commentsOf("a.ts", `const a = 1 // It ${word} its state.`),
      ...titlesOf("a.ts", `it.effect("${word} its state", () => test)`),
      ...titlesOf("a.ts", `describe(\`\${name} ${word} its state\`, () => {})`),
      documentOf("a.md", `[${word} its state](../test/a.test.ts)`)
    ]
    expect(planted.map((prose) => findings([prose]).length)).toEqual([1, 1, 1, 1, 1])
  })

  it("docstrings start with a verb or a noun phrase", () => {
    const headless = /^(What|Why|How|Who|Whose|Whom|Which|That|Where|When|Of|Such)\b/
    const docstrings = sources.flatMap(docstringsOf)
    expect(docstrings.length).toBeGreaterThan(500)
    expect(
      docstrings.filter(({ text }) => headless.test(text)).map(({ place, text }) => `${place}: ${text.slice(0, 60)}`)
    ).toEqual([])
  })
})
