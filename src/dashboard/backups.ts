/**
 * The directory of backups of a Dashboard. A request names a backup by the name of its file, never by a path.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Clock, Effect, Option } from "effect"
import { mkdir, readdir, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { NotFound } from "../Errors.js"
import * as Maintenance from "../Maintenance.js"
import { placeOf } from "../operations/reader.js"
import { type BackupFile, type BackupVerification, Refused } from "./api/index.js"
import { Running } from "./handlers/running.js"

/** The names of backups that the Dashboard makes, and of files that it lists. */
const isName = (name: string) => /^[\w-][\w.-]{0,200}\.sqlite$/.test(name)

/** The directory of backups: that of the options, or `backups` beside the database file. */
export const directory = Effect.gen(function* () {
  const { settings } = yield* Running
  if (settings.backupDirectory !== undefined) return Option.some(settings.backupDirectory)
  const place = placeOf(yield* SqlClient.SqlClient)
  return place.kind === "file" ? Option.some(join(dirname(place.path), "backups")) : Option.none<string>()
})

const fileOf = (folder: string, name: string): Effect.Effect<Option.Option<BackupFile>> =>
  Effect.promise(() =>
    stat(join(folder, name)).then(
      (file) =>
        file.isFile() ? Option.some({ name, bytes: file.size, madeAt: file.mtime.toISOString() }) : Option.none(),
      () => Option.none()
    )
  )

/** Lists the backups, newest first. A directory that does not exist has none. */
export const list = Effect.gen(function* () {
  const folder = yield* directory
  if (Option.isNone(folder)) return { items: [] }
  const names = yield* Effect.promise(() => readdir(folder.value).catch((): ReadonlyArray<string> => []))
  const files = yield* Effect.forEach(names.filter(isName), (name) => fileOf(folder.value, name), { concurrency: 8 })
  const items = files.flatMap(Option.toArray)
  return {
    directory: folder.value,
    items: items.toSorted((one, other) => other.madeAt.localeCompare(one.madeAt) || other.name.localeCompare(one.name))
  }
})

const noDirectory = new Refused({
  problem: "this database has no file here; back it up with the tools of its server"
})

/** Makes a backup, whose name contains its time. Fails with `Refused`. */
export const make = Effect.gen(function* () {
  const folder = yield* Effect.flatMap(directory, Option.match({ onNone: () => noDirectory, onSome: Effect.succeed }))
  yield* Effect.tryPromise({
    try: () => mkdir(folder, { recursive: true, mode: 0o700 }),
    catch: () => new Refused({ problem: `the directory ${folder} cannot be created` })
  })
  const now = new Date(yield* Clock.currentTimeMillis).toISOString()
  const name = `sealant-${now.replaceAll(/[:.]/g, "-")}.sqlite`
  yield* Effect.mapError(Maintenance.backup(join(folder, name)), ({ problem }) => new Refused({ problem }))
  return yield* Effect.flatMap(
    fileOf(folder, name),
    Option.match({
      onNone: () => new Refused({ problem: `the backup ${name} was removed` }),
      onSome: Effect.succeed
    })
  )
})

/** Verifies a backup. Fails with `NotFound`. */
export const verify = (name: string) =>
  Effect.gen(function* () {
    const folder = yield* Effect.flatMap(directory, Option.match({ onNone: () => noDirectory, onSome: Effect.succeed }))
    const file = isName(name) ? yield* fileOf(folder, name) : Option.none<BackupFile>()
    if (Option.isNone(file)) return yield* new NotFound({ entity: "Backup", id: name.slice(0, 200) })
    return yield* Maintenance.verifyBackup(join(folder, name)).pipe(
      Effect.map(({ migration, tables }): BackupVerification => ({ name, ok: true, migration, tables })),
      Effect.catchAll(({ problem }) => Effect.succeed<BackupVerification>({ name, ok: false, problem }))
    )
  })
