/**
 * A copy of a whole database as of one moment, and whether it is one.
 */
import { type SqlError } from "@effect/sql"
import { type Duration, Effect, Option, type Scope } from "effect"
import type { PersistenceError } from "../Errors.js"
import { nameOf } from "../migration/record.js"
import { MaintenanceFailed } from "./errors.js"
import { sizeOf, syncFile } from "./files.js"
import { checkIntegrity, type Contents, contentsOf, problemOf } from "./integrity.js"
import { engineProblem, quoted, type Reader, readerOfFile } from "./reader.js"

/** How far a copy is. */
export interface CopyProgress {
  readonly phase: "copying" | "verifying"
  /** Bytes that are written. */
  readonly bytes: number
  /** Bytes of the database; the copy is smaller where the database has free pages. */
  readonly totalBytes: number
}

/** Told how far it is, some times in a second. */
export type OnProgress = (progress: CopyProgress) => Effect.Effect<void>

const lookAgain: Duration.DurationInput = "200 millis"

/**
 * Writes a copy into an empty file, verifies it, and puts it on the disk. Returns what it holds.
 *
 * It is verified in itself (each page, index and reference), and against what it was made from: the tables, the
 * migrations, and the number of rows. That is exact when nothing was committed meanwhile, and else plausible: no table
 * is empty that had rows before and after.
 */
export const verifiedCopy = (
  operation: string,
  { from, onProgress, source, temporary }: {
    /** How messages name what is copied. */
    readonly from: string
    readonly source: Reader
    readonly temporary: string
    readonly onProgress?: OnProgress | undefined
  }
): Effect.Effect<Contents, MaintenanceFailed, Scope.Scope> => {
  const failed = (problem: string) => new MaintenanceFailed({ operation, problem })
  const refuse = (what: string) => <A, R>(effect: Effect.Effect<A, SqlError.SqlError | PersistenceError, R>) =>
    Effect.mapError(effect, (error) => failed(`${what}: ${error._tag === "SqlError" ? engineProblem(error) : error.message}`))
  return Effect.gen(function*() {
    const totalBytes = yield* refuse(`${from} cannot be read`)(databaseBytes(source))
    const told = (phase: CopyProgress["phase"]) =>
      Effect.flatMap(sizeOf(temporary), (bytes) => onProgress?.({ phase, bytes, totalBytes }) ?? Effect.void)

    const versionBefore = yield* refuse(`${from} cannot be read`)(source.version)
    const before = yield* refuse(`${from} cannot be read`)(contentsOf(source))
    yield* whileTelling(told("copying"), refuse(`${from} cannot be copied`)(source.exec(`VACUUM INTO ${quoted(temporary)}`)))
    const versionAfter = yield* refuse(`${from} cannot be read`)(source.version)
    const after = versionAfter === versionBefore ? before : yield* refuse(`${from} cannot be read`)(contentsOf(source))

    const copy = yield* whileTelling(told("verifying"), Effect.scoped(refuse("the copy cannot be read")(examine(temporary))))
    const problem = copy.problem ?? difference(before, copy.contents, after, versionAfter === versionBefore)
    if (problem !== undefined) return yield* failed(`the copy of ${from} is not good: ${problem}`)
    yield* syncFile(operation, temporary)
    return copy.contents
  })
}

const examine = (path: string) =>
  Effect.gen(function*() {
    const copy = yield* readerOfFile(path)
    const problem = problemOf(yield* checkIntegrity(copy))
    return { problem, contents: problem === undefined ? yield* contentsOf(copy) : { tables: {}, ledger: [] } }
  })

const databaseBytes = (reader: Reader) =>
  Effect.map(
    reader.all("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"),
    ([row]) => Number(row?.["bytes"] ?? 0)
  )

const namesOf = ({ ledger, tables }: Contents) =>
  JSON.stringify([Object.keys(tables), ledger.map(({ checksum, id }) => [id, checksum])])

/** What the copy lacks; nothing when it is what the database was at some moment between before and after. */
const difference = (before: Contents, copy: Contents, after: Contents, isExact: boolean): string | undefined => {
  if (![before, after].some((contents) => namesOf(contents) === namesOf(copy))) return "its tables or its migrations are not those of the database"
  const wrong = Object.entries(copy.tables).find(([table, rows]) => {
    const [least = 0, most = 0] = [before.tables[table], after.tables[table]]
    return isExact ? rows !== least : rows === 0 && least > 0 && most > 0
  })
  return wrong === undefined ? undefined : `${wrong[0]} has ${wrong[1]} rows in it, and ${before.tables[wrong[0]]} in the database`
}

/** Runs `work`, and beside it `tell` at once and then again and again. */
const whileTelling = <A, E, R>(tell: Effect.Effect<void>, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    work,
    Effect.zipRight(tell, Effect.forever(Effect.delay(tell, lookAgain)))
  )

/** The name of the last migration, as `0008_control_plane`; none in a database without any. */
export const lastMigration = ({ ledger }: Contents): Option.Option<string> =>
  Option.map(Option.fromNullable(ledger.at(-1)), ({ id, label }) => nameOf(id, label))
