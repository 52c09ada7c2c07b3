/**
 * Layers for the database that a command uses.
 */
import { Effect, Layer, Option } from "effect"
import { DatabaseConfigError, defaultFilePath, layerConfigWithoutReplica, layerMemory } from "../Database.js"
import { filePathName, urlName, variable } from "../libsql/settings.js"
import * as Migrations from "../Migrations.js"
import { missingDatabase } from "../missingDatabase.js"

/**
 * Provides the database of the environment to a command that only reads. If the file is missing or empty, provides an
 * empty database in memory instead, because opening the file would create it.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does.
 */
export const layerReadOnly = Layer.unwrapEffect(
  Effect.map(missingDatabase, (missing) => (Option.isSome(missing) ? layerMemory : layerConfigWithoutReplica))
)

/**
 * Provides the existing database of the environment.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does, and if the file is missing or empty.
 */
export const layerExisting = Layer.unwrapEffect(
  Effect.flatMap(
    missingDatabase,
    Option.match({
      onNone: () => Effect.succeed(layerConfigWithoutReplica),
      onSome: (path) =>
        new DatabaseConfigError({
          setting: filePathName,
          problem: `there is no database at ${path}; give the path of one, or run \`sealant-db migrate\` to make it`
        })
    })
  )
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
