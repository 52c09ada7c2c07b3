/**
 * Compares the texts of schema objects as SQLite keeps them, regardless of white space, comments, and the case and quotes of
 * names.
 */

// String literals, quoted names, comments, words and numbers, single characters.
const tokenPattern = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\w$]+|\S/g

type Tokens = ReadonlyArray<string>

export const tokensOf = (sql: string): Tokens =>
  Array.from(sql.matchAll(tokenPattern), ([token]) => token)
    .filter((token) => !token.startsWith("--") && !token.startsWith("/*"))
    .map((token) => token.startsWith("'") ? token : /^["`[]/.test(token) ? token.slice(1, -1).toLowerCase() : token.toLowerCase())

const textOf = (tokens: Tokens) => tokens.join(" ")

/** Whether two texts are the same statement. */
export const isSame = (one: string, other: string): boolean => textOf(tokensOf(one)) === textOf(tokensOf(other))

interface TableText {
  /** The text before and after the list of columns and constraints. */
  readonly around: string
  readonly items: ReadonlyArray<Tokens>
}

/** The columns and constraints of a `CREATE TABLE`, each on its own. */
const tableOf = (sql: string): TableText => {
  const tokens = tokensOf(sql)
  const start = tokens.indexOf("(")
  const items: Array<Array<string>> = [[]]
  let depth = 0
  let end = start
  for (; end < tokens.length; end++) {
    const token = tokens[end] ?? ""
    if (token === "(") depth++
    if (token === ")" && --depth === 0) break
    if (token === "," && depth === 1) items.push([])
    else if (end > start) items.at(-1)?.push(token)
  }
  return { around: textOf([...tokens.slice(0, start), "|", ...tokens.slice(end + 1)]), items }
}

const constraintWords = new Set(["constraint", "check", "unique", "primary", "foreign"])

/** The names of the columns of a `CREATE TABLE`. */
export const columnNames = (sql: string): ReadonlySet<string> =>
  new Set(tableOf(sql).items.flatMap(([name = ""]) => constraintWords.has(name) ? [] : [name]))

/** Whether writes that omit the column still succeed: it is nullable or has a default, and has no CHECK. */
const isHarmless = (column: Tokens): boolean => {
  const [first = ""] = column
  if (constraintWords.has(first) || column.some((token) => ["check", "unique", "primary"].includes(token))) return false
  return !textOf(column).includes("not null") || column.includes("default")
}

/**
 * Whether a table is the expected one, possibly with additional harmless columns, as `ALTER TABLE ADD COLUMN` adds them for a
 * plugin of Better Auth.
 */
export const isSameTable = (present: string, expected: string): boolean => {
  const [found, wanted] = [tableOf(present), tableOf(expected)]
  if (found.around !== wanted.around) return false
  const left = wanted.items.map(textOf)
  const added = found.items.filter((item) => {
    if (left[0] !== textOf(item)) return true
    left.shift()
    return false
  })
  return left.length === 0 && added.every(isHarmless)
}

/** The columns that a `CREATE INDEX` names; expressions are left out. */
export const indexedColumns = (sql: string): ReadonlyArray<string> =>
  tableOf(sql).items.flatMap((item) => item.includes("(") ? [] : item.slice(0, 1))
