/**
 * `npm run db:pin`: records the checksums of all migrations as released in `migrations/released.json`. Fails if a
 * released migration has changed. Before the first release, `npm run db:pin -- --again` overwrites the checksums.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { migrations } from "../migrations/index.js"
import { checkRecord } from "../src/migration/record.js"

/** The file with the names and checksums of the released migrations. */
export const releasedFile = fileURLToPath(new URL("../migrations/released.json", import.meta.url))

/** Returns the checksums of a record of migrations, by name. */
export const checksumsOf = (record: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(checkRecord(record).migrations.map(({ checksum, name }) => [name, checksum]))

/** Reads the checksums of the released migrations; empty before the first release. */
export const readReleased = (): Readonly<Record<string, string>> =>
  existsSync(releasedFile) ? JSON.parse(readFileSync(releasedFile, "utf8")) : {}

/** Returns the released migrations that were changed or removed. */
export const changedSince = (
  released: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>
): ReadonlyArray<string> => Object.keys(released).filter((name) => released[name] !== now[name])

const main = (args: ReadonlyArray<string>): void => {
  const now = checksumsOf(migrations)
  const changed = changedSince(readReleased(), now)
  if (changed.length > 0 && !args.includes("--again")) {
    console.error(
      `db:pin: ${changed.join(", ")}: changed since the release; restore the released text, and write a new migration for the change`
    )
    process.exitCode = 1
    return
  }
  writeFileSync(releasedFile, `${JSON.stringify(now, undefined, 2)}\n`)
  console.log(`pinned ${Object.keys(now).length} migrations`)
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2))
