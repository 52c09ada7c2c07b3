/**
 * The comparison of schema objects by the texts that SQLite keeps, regardless of white space, comments, and the case
 * and quotes of names.
 */

// String literals, quoted names, comments, words and numbers, single characters.
const tokenPattern =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\w$]+|\S/g

type Tokens = ReadonlyArray<string>

/** Splits SQL into tokens, without comments. Names and keywords are in lower case and without quotes. */
export const tokensOf = (sql: string): Tokens =>
  Array.from(sql.matchAll(tokenPattern), ([token]) => token)
    .filter((token) => !token.startsWith("--") && !token.startsWith("/*"))
    .map((token) =>
      token.startsWith("'") ? token : /^["`[]/.test(token) ? token.slice(1, -1).toLowerCase() : token.toLowerCase()
    )

const textOf = (tokens: Tokens) => tokens.join(" ")

/** Returns whether two texts are the same statement. */
export const isSame = (one: string, other: string): boolean => textOf(tokensOf(one)) === textOf(tokensOf(other))

interface TableText {
  /** The text before and after the list of columns and constraints. */
  readonly around: string
  readonly items: ReadonlyArray<Tokens>
}

/** Splits a `CREATE TABLE` into its columns and constraints. */
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

/** Returns the names of the columns of a `CREATE TABLE`. */
export const columnNames = (sql: string): ReadonlySet<string> =>
  new Set(tableOf(sql).items.flatMap(([name = ""]) => (constraintWords.has(name) ? [] : [name])))

/** Returns the tokens outside parentheses. */
const outer = (tokens: Tokens): Tokens => {
  let depth = 0
  return tokens.filter((token) => {
    if (token === ")") depth--
    const isOuter = depth === 0
    if (token === "(") depth++
    return isOuter && token !== ")"
  })
}

const refusing = new Set(["check", "unique", "primary", "as", "generated"])

/**
 * Returns whether writes that omit the column still succeed: it is nullable or has a default other than NULL, and has
 * no check, no expression, and no default that a foreign key could refuse.
 */
const isHarmless = (column: Tokens): boolean => {
  const [name = "", ...words] = column
  const definition = outer(words)
  if (constraintWords.has(name) || definition.some((word) => refusing.has(word))) return false
  const at = definition.indexOf("default")
  const value = at < 0 ? undefined : definition[at + 1]
  if (value !== undefined && definition.includes("references")) return false
  const isRequired = definition.some((word, index) => word === "not" && definition[index + 1] === "null")
  return !isRequired || (value !== undefined && !["null", "not", "constraint"].includes(value))
}

/**
 * Returns whether a table is the expected one, possibly with additional harmless columns, as `ALTER TABLE ADD COLUMN`
 * adds them for a plugin of Better Auth.
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

const isColumn = ([name = "", ...rest]: Tokens): boolean =>
  !name.startsWith("'") && /^(collate (binary|nocase|rtrim))? ?(asc|desc)?$/.test(textOf(rest))

/**
 * Returns whether each write evaluates an expression, a condition or a foreign collation of a `CREATE INDEX`. Such an
 * evaluation can fail, as `json_extract` does for text that is not JSON, and then the write fails. `IS NULL` cannot
 * fail.
 */
export const indexEvaluates = (sql: string): boolean => {
  const { around, items } = tableOf(sql)
  const condition = around.slice(around.indexOf("|") + 1).trim()
  return !items.every(isColumn) || !/^(where \w+ is (not )?null)?$/.test(condition)
}

/** Returns the columns of a `CREATE INDEX`, without its expressions. */
export const indexedColumns = (sql: string): ReadonlyArray<string> =>
  tableOf(sql).items.flatMap((item) => (item.includes("(") ? [] : item.slice(0, 1)))
