/**
 * The database that a command works on.
 */
import { Effect, Layer, Option } from "effect"
import { statSync } from "node:fs"
import { DatabaseConfigError, defaultFilePath, layerConfig, layerMemory } from "../Database.js"
import { filePathName, urlName, variable } from "../libsql/settings.js"
import * as Migrations from "../Migrations.js"

const address = Effect.all({ url: variable(urlName), filePath: variable(filePathName) })

/**
 * The database of the environment, for a command that only looks: where the file is missing or empty, an empty
 * database in memory stands for it, because opening it would create it.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does.
 */
export const layerToLookAt = Layer.unwrapEffect(
  address.pipe(
    Effect.map(({ filePath, url }) =>
      Option.isNone(url) && holdsNothing(Option.getOrElse(filePath, () => defaultFilePath)) ? layerMemory : layerConfig
    ),
    // An environment that cannot be read: opening the database will say so.
    Effect.orElseSucceed(() => layerConfig)
  )
)

/**
 * The database of the environment, which has to be there: for a command that is of no use on an empty one.
 *
 * Fails with `DatabaseConfigError` as `Database.layerConfig` does, and when there is no file.
 */
export const layerExisting = Layer.unwrapEffect(
  Effect.gen(function*() {
    const { filePath, url } = yield* Effect.orElseSucceed(address, () => ({ filePath: Option.none<string>(), url: Option.some("") }))
    const path = Option.getOrElse(filePath, () => defaultFilePath)
    if (Option.isNone(url) && holdsNothing(path)) {
      return yield* new DatabaseConfigError({
        setting: filePathName,
        problem: `there is no database at ${path}; give the path of one, or run \`sealant-db migrate\` to make it`
      })
    }
    return layerConfig
  })
)

/** The same, with the schema of this program. Fails with `SchemaNotCurrent`, too, which says what to do. */
export const layerCurrent = Layer.provideMerge(Migrations.requireCurrent, layerExisting)

/**
 * The path that the environment names, for a command that works on a file which is not open. Fails with
 * `DatabaseConfigError` where it names a libSQL server.
 */
export const databasePath = Effect.gen(function*() {
  const url = yield* Effect.mapError(variable(urlName), (problem) => new DatabaseConfigError({ setting: urlName, problem }))
  const filePath = yield* Effect.mapError(variable(filePathName), (problem) => new DatabaseConfigError({ setting: filePathName, problem }))
  if (Option.isSome(url)) {
    return yield* new DatabaseConfigError({
      setting: urlName,
      problem: `names a libSQL server, which has tools of its own for this; unset it, and set ${filePathName}`
    })
  }
  return Option.getOrElse(filePath, () => defaultFilePath)
})

/** A path that cannot be looked at holds something for all we know: opening it will say what is wrong. */
const holdsNothing = (path: string): boolean => {
  try {
    const file = statSync(path, { throwIfNoEntry: false })
    return file === undefined || (file.isFile() && file.size === 0)
  } catch {
    return false
  }
}
