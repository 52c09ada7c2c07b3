import { afterEach, beforeEach, expect, it } from "vitest"
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { migrations } from "../../migrations/index.js"
import { generateMigration, UsageError } from "../../scripts/generate-migration.js"
import { checkRecord } from "../../src/migration/record.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

let directory = ""

beforeEach(() => {
  directory = makeTemporaryDirectory()
  cpSync(join(root, "migrations"), directory, { recursive: true })
})

afterEach(() => removeDirectory(directory))

const next = (by: number) => String(Object.keys(migrations).length + by).padStart(4, "0")

const recordOf = async (): Promise<Record<string, string>> => {
  const module: { readonly migrations: Record<string, string> } = await import(
    /* @vite-ignore */ join(directory, "index.ts")
  )
  return module.migrations
}

it("db:generate writes the next migration and registers it last", async () => {
  expect(generateMigration("sandbox_labels_2", directory)).toBe(`${next(1)}_sandbox_labels_2`)
  expect(generateMigration("delete", directory)).toBe(`${next(2)}_delete`)
  expect(generateMigration("sandboxes2", directory)).toBe(`${next(3)}_sandboxes2`)
  const index = readFileSync(join(directory, "index.ts"), "utf8")
  expect(index).toContain(
    `\nimport sandboxLabels2 from "./${next(1)}_sandbox_labels_2.js"\nimport deleteMigration from "./${next(2)}_delete.js"\n`
  )
  expect(index).toContain(
    `,\n  "${next(1)}_sandbox_labels_2": sandboxLabels2,\n  "${next(2)}_delete": deleteMigration,\n  "${next(3)}_sandboxes2": sandboxes2\n}\n`
  )
  // What was there before is as it was.
  const original = readFileSync(join(root, "migrations", "index.ts"), "utf8")
  const added = new RegExp(`^.*(${next(1)}|${next(2)}|${next(3)})_.*\n`, "gm")
  expect(index.replaceAll(added, "").replace(/,\n\}/, "\n}")).toBe(original)

  // It is a record that runs as soon as there are statements, and not before: an empty migration is no migration.
  for (const file of readdirSync(directory).filter((file) => file > next(1))) {
    if (/^\d/.test(file)) writeFileSync(join(directory, file), "export default `SELECT 1;`\n")
  }
  const record = await recordOf()
  expect(Object.keys(record)).toEqual([
    ...Object.keys(migrations),
    `${next(1)}_sandbox_labels_2`,
    `${next(2)}_delete`,
    `${next(3)}_sandboxes2`
  ])
  expect(checkRecord(record).issues).toEqual([])
})

it("the runner rejects an empty migration", async () => {
  generateMigration("labels", directory)
  expect(checkRecord(await recordOf()).issues).toEqual([`${next(1)}_labels contains no statement`])
})

it("db:generate rejects invalid and duplicate names", () => {
  const before = readdirSync(directory)
  for (const label of ["", "Labels", "add-labels", "1st", "add labels", "_x", "x_", "a__b", "../x", "0009_x", "x.ts"]) {
    expect(() => generateMigration(label, directory)).toThrow(UsageError)
  }
  const taken = Object.keys(migrations)[0] ?? ""
  expect(() => generateMigration(taken.slice(5), directory)).toThrow(
    `a migration of this name already exists: ${taken}`
  )
  expect(readdirSync(directory)).toEqual(before)
})

it("db:generate rejects a folder with unregistered files", () => {
  writeFileSync(join(directory, `${next(1)}_stray.ts`), "export default ``\n")
  expect(() => generateMigration("labels", directory)).toThrow("correct index.ts first")
  expect(existsSync(join(directory, `${next(2)}_labels.ts`))).toBe(false)
})

it("db:generate exits with 2 without a name", () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", "tsx", "scripts/generate-migration.ts"], {
    cwd: root,
    encoding: "utf8"
  })
  expect({ status, stderr, stdout }).toEqual({
    status: 2,
    stderr: "db:generate: usage: npm run db:generate -- NAME\n",
    stdout: ""
  })
})
