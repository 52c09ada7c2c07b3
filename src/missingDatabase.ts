/**
 * Detection of a database that does not exist, for programs that must not create it: opening a missing file would.
 */
import { Effect, Option } from "effect"
import { statSync } from "node:fs"
import { defaultFilePath } from "./Database.js"
import { filePathName, urlName, variable } from "./libsql/settings.js"

/**
 * Returns the path of the database file of the environment if the file is missing or empty. `None` if it exists, if the
 * environment names a server, or if it is invalid, because opening the database reports the reason.
 */
export const missingDatabase: Effect.Effect<Option.Option<string>> = Effect.all({
  url: variable(urlName),
  filePath: variable(filePathName)
}).pipe(
  Effect.map(({ filePath, url }) => {
    const path = Option.getOrElse(filePath, () => defaultFilePath)
    return Option.isNone(url) && isMissingOrEmpty(path) ? Option.some(path) : Option.none()
  }),
  Effect.orElseSucceed(() => Option.none())
)

/** Returns `false` if the file cannot be read. */
const isMissingOrEmpty = (path: string): boolean => {
  try {
    const file = statSync(path, { throwIfNoEntry: false })
    return file === undefined || (file.isFile() && file.size === 0)
  } catch {
    return false
  }
}
