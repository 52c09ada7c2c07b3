/**
 * Processes whose database file or log is removed or replaced while they write: each acknowledged number is in the file at the
 * path.
 */
import { Effect } from "effect"
import Native from "libsql"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { numbersAt, numbersOf, numberWriter, openAndClose } from "../numbers.js"
import type { Random } from "./random.js"
import type { Account } from "./run.js"
import { temporaryDirectory } from "../../support/directories.js"

const accidents = ["remove file -wal -shm", "remove -wal", "replace", "read file", "use stock"] as const

const makeOther = (path: string) => {
  const other = new Native(path)
  other.exec("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
  other.close()
}

/** Runs `count` processes, removes or replaces the files of each, and kills them. */
export const replaced = (account: Account, random: Random, count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const path = join(directory, "numbers.sqlite")
        makeOther(`${path}.other`)
        const writer = yield* numberWriter(path)
        const accident = random.pick(accidents) ?? "read file"
        const before = numbersOf(yield* writer.order(`write ${1 + random.below(40)}`))
        yield* writer.order(accident === "replace" ? `replace ${path}.other` : accident)
        const isOnlyLocks = accident === "read file" || accident === "use stock"
        const isDeleted = isOnlyLocks && random.chance(0.5)
        if (isDeleted) openAndClose(path)
        const after = numbersOf(yield* writer.order(`write ${1 + random.below(40)}`))
        yield* writer.kill
        account.kills++
        account.checks++
        account.acknowledged += before.length + after.length
        // Numbers that were acknowledged before the file was removed are lost with it; the program has reported that.
        const due = accident === "replace" || accident.startsWith("remove file") ? after : [...before, ...after]
        const present = new Set(due.length > 0 && existsSync(path) ? numbersAt(path) : [])
        const lost = due.filter((number) => !present.has(number))
        if (lost.length > 0)
          account.losses.push(
            `${accident}${isDeleted ? ", then the log was deleted" : ""}: ${lost.length} acknowledged writes are lost`
          )
      }).pipe(Effect.scoped),
    { discard: true }
  )
