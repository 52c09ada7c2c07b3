/**
 * Environment variables that look like a misspelled variable of this package.
 */
import { authTokenName, busyTimeoutName, filePathName, synchronousName, urlName } from "../libsql/settings.js"
import { similarTo } from "./commandLine.js"

const known = [authTokenName, busyTimeoutName, filePathName, synchronousName, urlName]

const words = (name: string) => new Set(name.split("_"))

/** The known name that contains all words of the name, such as `DATABASE_FILE_PATH` for `DATABASE_PATH`. */
const longerNameOf = (name: string) =>
  [...words(name)].length < 2
    ? undefined
    : known.find((other) => [...words(name)].every((word) => words(other).has(word)))

/** Describes each variable whose name begins with `DATABASE_` and is similar to a known one. */
export const misspelledVariables = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const isOther = !name.startsWith("DATABASE_") || known.includes(name)
    const similar = isOther ? undefined : (similarTo(name, known) ?? longerNameOf(name))
    return similar === undefined ? [] : [`the variable ${name} is not read; did you mean ${similar}?`]
  })
