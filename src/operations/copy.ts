/**
 * A verified copy of a whole database, as a consistent snapshot.
 */
import type { SqlError } from "@effect/sql"
import { type Duration, Effect, Option, type Scope } from "effect"
import type { PersistenceError } from "../Errors.js"
import { nameOf } from "../migration/record.js"
import { MaintenanceFailed } from "./errors.js"
import { sizeOf, syncFile } from "./files.js"
import { checkIntegrity, type Contents, contentsOf, problemOf } from "./integrity.js"
import { quotedText } from "../libsql/sqlText.js"
import { engineProblem, type Reader, readerOfFile } from "./reader.js"

/** The progress of a copy. */
export interface CopyProgress {
  readonly phase: "copying" | "verifying"
  /** Bytes written so far. */
  readonly bytes: number
  /** Bytes of the database. The copy is smaller when the database has free pages. */
  readonly totalBytes: number
}

/** Receives the progress of a copy, several times per second. */
export type OnProgress = (progress: CopyProgress) => Effect.Effect<void>

const progressInterval: Duration.DurationInput = "200 millis"

/**
 * Writes a copy into an empty file, verifies it, and syncs it to the disk. Returns the contents of the copy.
 *
 * The copy is verified in itself (each page, index and reference), and against its source: the tables, the
 * migrations, and the number of rows. When nothing was committed meanwhile, the numbers must be equal. Otherwise, a
 * table that had rows before and after must not be empty in the copy.
 *
 * Fails with `MaintenanceFailed` if the source cannot be read or copied, or if the copy is not valid.
 */
export const verifiedCopy = (
  operation: string,
  {
    from,
    onProgress,
    source,
    temporary
  }: {
    /** The name of the source in messages. */
    readonly from: string
    readonly source: Reader
    readonly temporary: string
    readonly onProgress?: OnProgress | undefined
  }
): Effect.Effect<Contents, MaintenanceFailed, Scope.Scope> => {
  const failed = (problem: string) => new MaintenanceFailed({ operation, problem })
  const refuse =
    (what: string) =>
    <A, R>(effect: Effect.Effect<A, SqlError.SqlError | PersistenceError, R>) =>
      Effect.mapError(effect, (error) =>
        failed(`${what}: ${error._tag === "SqlError" ? engineProblem(error) : error.message}`)
      )
  return Effect.gen(function* () {
    const totalBytes = yield* refuse(`${from} cannot be read`)(databaseBytes(source))
    const report = (phase: CopyProgress["phase"]) =>
      Effect.flatMap(sizeOf(temporary), (bytes) => onProgress?.({ phase, bytes, totalBytes }) ?? Effect.void)

    const versionBefore = yield* refuse(`${from} cannot be read`)(source.version)
    const before = yield* refuse(`${from} cannot be read`)(contentsOf(source))
    yield* whileReporting(
      report("copying"),
      refuse(`${from} cannot be copied`)(source.exec(`VACUUM INTO ${quotedText(temporary)}`))
    )
    const versionAfter = yield* refuse(`${from} cannot be read`)(source.version)
    const after = versionAfter === versionBefore ? before : yield* refuse(`${from} cannot be read`)(contentsOf(source))

    const copy = yield* whileReporting(
      report("verifying"),
      Effect.scoped(refuse("the copy cannot be read")(examine(temporary)))
    )
    const problem = copy.problem ?? difference(before, copy.contents, after, versionAfter === versionBefore)
    if (problem !== undefined) return yield* failed(`the copy of ${from} is not valid: ${problem}`)
    yield* syncFile(operation, temporary)
    return copy.contents
  })
}

const examine = (path: string) =>
  Effect.gen(function* () {
    const copy = yield* readerOfFile(path)
    const problem = problemOf(yield* checkIntegrity(copy))
    return { problem, contents: problem === undefined ? yield* contentsOf(copy) : { tables: {}, ledger: [] } }
  })

const databaseBytes = (reader: Reader) =>
  Effect.map(reader.all("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"), ([row]) =>
    Number(row?.["bytes"] ?? 0)
  )

const namesOf = ({ ledger, tables }: Contents) =>
  JSON.stringify([Object.keys(tables), ledger.map(({ checksum, id }) => [id, checksum])])

/**
 * Describes the first difference between the copy and the database. Returns `undefined` if the copy equals the
 * database at some moment between before and after.
 */
const difference = (before: Contents, copy: Contents, after: Contents, isExact: boolean): string | undefined => {
  if (![before, after].some((contents) => namesOf(contents) === namesOf(copy)))
    return "its tables or its migrations differ from those of the database"
  const wrong = Object.entries(copy.tables).find(([table, rows]) => {
    const [least = 0, most = 0] = [before.tables[table], after.tables[table]]
    return isExact ? rows !== least : rows === 0 && least > 0 && most > 0
  })
  return wrong === undefined
    ? undefined
    : `${wrong[0]} has ${wrong[1]} rows in the copy, and ${before.tables[wrong[0]]} in the database`
}

/** Runs `work`. Runs `report` beside it, at once and then at intervals. */
const whileReporting = <A, E, R>(report: Effect.Effect<void>, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(work, Effect.zipRight(report, Effect.forever(Effect.delay(report, progressInterval))))

/** Returns the name of the last migration, as `0008_control_plane`, or `None` when the database has no migrations. */
export const lastMigration = ({ ledger }: Contents): Option.Option<string> =>
  Option.map(Option.fromNullable(ledger.at(-1)), ({ id, label }) => nameOf(id, label))
