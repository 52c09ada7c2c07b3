/**
 * `npm run db:pin`: declares the migrations as released, by the checksum of each in `migrations/released.json`. Refuses
 * when one that was released is another now; before the first release, `npm run db:pin -- --again` pins anew.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { migrations } from "../migrations/index.js"
import { checkRecord } from "../src/migration/record.js"

/** Where it is written which migrations were released, and what each said. */
export const releasedFile = fileURLToPath(new URL("../migrations/released.json", import.meta.url))

/** The checksum of each migration of a record, by its name. */
export const checksumsOf = (record: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(checkRecord(record).migrations.map(({ checksum, name }) => [name, checksum]))

/** What was released. */
export const readReleased = (): Readonly<Record<string, string>> => existsSync(releasedFile) ? JSON.parse(readFileSync(releasedFile, "utf8")) : {}

/** Which released migrations are not what they were, or not there any more. */
export const changedSince = (released: Readonly<Record<string, string>>, now: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.keys(released).filter((name) => released[name] !== now[name])

const main = (args: ReadonlyArray<string>): void => {
  const now = checksumsOf(migrations)
  const changed = changedSince(readReleased(), now)
  if (changed.length > 0 && !args.includes("--again")) {
    console.error(`db:pin: ${changed.join(", ")}: not what was released; put the text back, and the change into a new migration`)
    process.exitCode = 1
    return
  }
  writeFileSync(releasedFile, `${JSON.stringify(now, undefined, 2)}\n`)
  console.log(`pinned ${Object.keys(now).length} migrations`)
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main(process.argv.slice(2))
