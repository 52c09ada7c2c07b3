/**
 * The database that a command works on.
 */
import { Config, Effect, Layer, Option } from "effect"
import { statSync } from "node:fs"
import { defaultFilePath, layerConfig, layerMemory } from "../Database.js"

/**
 * The database of the environment, for a command that only looks: where the file is missing or empty, an empty
 * database in memory stands for it, because opening it would create it.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does.
 */
export const layerToLookAt = Layer.unwrapEffect(
  Config.all({ url: Config.option(Config.string("DATABASE_URL")), filePath: Config.option(Config.string("DATABASE_FILE_PATH")) }).pipe(
    Effect.map(({ filePath, url }) =>
      Option.isNone(url) && holdsNothing(Option.getOrElse(filePath, () => defaultFilePath)) ? layerMemory : layerConfig
    ),
    // An environment that cannot be read: opening the database will say so.
    Effect.orElseSucceed(() => layerConfig)
  )
)

/** A path that cannot be looked at holds something for all we know: opening it will say what is wrong. */
const holdsNothing = (path: string): boolean => {
  if (path.trim() === "") return false
  try {
    const file = statSync(path, { throwIfNoEntry: false })
    return file === undefined || (file.isFile() && file.size === 0)
  } catch {
    return false
  }
}
