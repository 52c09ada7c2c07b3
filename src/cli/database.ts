/**
 * Layers for the database that a command uses.
 */
import { Effect, Layer, Option } from "effect"
import { statSync } from "node:fs"
import { DatabaseConfigError, defaultFilePath, layerConfigWithoutReplica, layerMemory } from "../Database.js"
import { filePathName, urlName, variable } from "../libsql/settings.js"
import * as Migrations from "../Migrations.js"

const address = Effect.all({ url: variable(urlName), filePath: variable(filePathName) })

/**
 * Provides the database of the environment to a command that only reads. If the file is missing or empty, provides an
 * empty database in memory instead, because opening the file would create it.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does.
 */
export const layerReadOnly = Layer.unwrapEffect(
  address.pipe(
    Effect.map(({ filePath, url }) =>
      Option.isNone(url) && isMissingOrEmpty(Option.getOrElse(filePath, () => defaultFilePath))
        ? layerMemory
        : layerConfigWithoutReplica
    ),
    // If the environment is invalid, opening the database fails with the reason.
    Effect.orElseSucceed(() => layerConfigWithoutReplica)
  )
)

/**
 * Provides the existing database of the environment.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does, and if the file is missing or empty.
 */
export const layerExisting = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { filePath, url } = yield* Effect.orElseSucceed(address, () => ({
      filePath: Option.none<string>(),
      url: Option.some("")
    }))
    const path = Option.getOrElse(filePath, () => defaultFilePath)
    if (Option.isNone(url) && isMissingOrEmpty(path)) {
      return yield* new DatabaseConfigError({
        setting: filePathName,
        problem: `there is no database at ${path}; give the path of one, or run \`sealant-db migrate\` to make it`
      })
    }
    return layerConfigWithoutReplica
  })
)

/** Like `layerExisting`. Fails with `SchemaNotCurrent`, too, if the schema is not that of this program. */
export const layerCurrent = Layer.provideMerge(Migrations.requireCurrent, layerExisting)

/**
 * Returns the database path of the environment, for a command that must not open the file. Fails with
 * `DatabaseConfigError` if a setting is invalid or if the environment names a libSQL server.
 */
export const databasePath = Effect.gen(function* () {
  const url = yield* Effect.mapError(
    variable(urlName),
    (problem) => new DatabaseConfigError({ setting: urlName, problem })
  )
  const filePath = yield* Effect.mapError(
    variable(filePathName),
    (problem) => new DatabaseConfigError({ setting: filePathName, problem })
  )
  if (Option.isSome(url)) {
    return yield* new DatabaseConfigError({
      setting: urlName,
      problem: `names a libSQL server, which has tools of its own for this; unset it, and set ${filePathName}`
    })
  }
  return Option.getOrElse(filePath, () => defaultFilePath)
})

/**
 * Returns whether the file is missing or empty; `false` if it cannot be read, because opening it reports the reason.
 */
const isMissingOrEmpty = (path: string): boolean => {
  try {
    const file = statSync(path, { throwIfNoEntry: false })
    return file === undefined || (file.isFile() && file.size === 0)
  } catch {
    return false
  }
}
