/**
 * SQL text: quoted names and literals, and a tokenizer that reads it as far as routing needs it: the end of each
 * statement, and its kind.
 *
 * The end of a trigger body follows the rule of `sqlite3_complete` (https://www.sqlite.org/c3ref/complete.html): a
 * trigger ends at `; END ;`.
 */

/**
 * The kind of a statement, which decides where it runs.
 *
 * - `read`: changes nothing, runs on the reading connection.
 * - `write`: may share a transaction with others.
 * - `alone`: cannot run inside a transaction (VACUUM), or acts on the connection (PRAGMA).
 * - `savepoint`: acts on a savepoint, and is valid only inside a transaction.
 * - `boundary`: begins or ends a transaction, which only the client itself may do.
 */
export type StatementKind = "read" | "write" | "alone" | "savepoint" | "boundary"

export interface StatementText {
  readonly kind: StatementKind
  /** False when the text contains no statement, or several, of which the engine would run only the first. */
  readonly single: boolean
  /** The number of parameters that the statement has, as `?` or `?1`. */
  readonly placeholders: number
  /** The reason for refusing the statement, if it would change the connection, which all callers share. */
  readonly refusal: string | undefined
}

interface Token {
  /** A keyword or name in upper case, `;`, `(`, `)`, a placeholder as written, or `.` for everything else. */
  readonly text: string
  readonly end: number
}

// String literals, quoted names, comments, words, placeholders, and single characters, in this order. A quoted text
// ends at its first closing quote: a doubled quote yields two adjacent tokens, with the same effect here.
const tokenPattern =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[A-Za-z_][\w$]*|\?\d*|\S/g

function* tokens(sql: string): Generator<Token> {
  for (const match of sql.matchAll(tokenPattern)) {
    const text = match[0]
    if (text.startsWith("--") || text.startsWith("/*")) continue
    const end = match.index + text.length
    yield { text: /^[A-Za-z_]/.test(text) ? text.toUpperCase() : /^[;()?]/.test(text) ? text : ".", end }
  }
}

/** Splits a script into its statements, in order, without the semicolons that end them. */
export const splitStatements = (script: string): ReadonlyArray<string> => {
  const statements: Array<string> = []
  let start = 0
  let words: Array<string> = []
  for (const { end, text } of tokens(script)) {
    if (text !== ";") {
      words.push(text)
      continue
    }
    if (isTriggerHead(words) && !endsTrigger(words)) {
      words.push(text)
      continue
    }
    if (words.length > 0) statements.push(script.slice(start, end - 1).trim())
    start = end
    words = []
  }
  if (words.length > 0) statements.push(script.slice(start).trim())
  return statements
}

const isTriggerHead = ([first, second, third]: ReadonlyArray<string>) =>
  first === "CREATE" && (second === "TRIGGER" || ((second === "TEMP" || second === "TEMPORARY") && third === "TRIGGER"))

const endsTrigger = (words: ReadonlyArray<string>) => words.at(-1) === "END" && words.at(-2) === ";"

const kinds: Readonly<Record<string, StatementKind>> = {
  SELECT: "read",
  VALUES: "read",
  EXPLAIN: "read",
  PRAGMA: "alone",
  VACUUM: "alone",
  ATTACH: "alone",
  DETACH: "alone",
  SAVEPOINT: "savepoint",
  RELEASE: "savepoint",
  BEGIN: "boundary",
  COMMIT: "boundary",
  END: "boundary"
}

const kindOf = (words: ReadonlyArray<string>): StatementKind => {
  const first = words[0] ?? ""
  if (first === "ROLLBACK") return words.includes("TO") ? "savepoint" : "boundary"
  if (first === "WITH") return kinds[verbAfterWith(words)] ?? "write"
  return kinds[first] ?? "write"
}

/** Finds the verb of `WITH a AS (...) SELECT ...`: the first one outside parentheses. */
const verbAfterWith = (words: ReadonlyArray<string>) => {
  let depth = 0
  for (const word of words) {
    if (word === "(") depth++
    else if (word === ")") depth--
    else if (depth === 0 && /^(SELECT|VALUES|INSERT|UPDATE|DELETE|REPLACE)$/.test(word)) return word
  }
  return ""
}

const placeholdersIn = (words: ReadonlyArray<string>) => {
  let highest = 0
  // A plain `?` has the number after the highest one so far (https://www.sqlite.org/lang_expr.html#varparam).
  for (const word of words) {
    if (word.startsWith("?")) highest = word === "?" ? highest + 1 : Math.max(highest, Number(word.slice(1)))
  }
  return highest
}

/** Inspects a text that is to be one statement. */
export const inspectStatement = (sql: string): StatementText => {
  const words = Array.from(tokens(sql), (token) => token.text)
  return {
    kind: kindOf(words.slice(words.findIndex((word) => word !== ";"))),
    single: splitStatements(sql).length === 1,
    placeholders: placeholdersIn(words),
    refusal: refusalOf(sql)
  }
}

/**
 * PRAGMAs that may have an argument: those that read, act on the file, or limit `optimize`
 * (https://www.sqlite.org/pragma.html). Any other argument is a setting of the connection.
 */
const argumentAllowed = new Set([
  "table_info",
  "table_xinfo",
  "table_list",
  "index_list",
  "index_info",
  "index_xinfo",
  "foreign_key_list",
  "foreign_key_check",
  "integrity_check",
  "quick_check",
  "wal_checkpoint",
  "incremental_vacuum",
  "optimize",
  "analysis_limit",
  "user_version",
  "application_id"
])

const sharedConnection = "it would change the connection that all callers share"

/**
 * Returns the reason for refusing a statement. Checks statements after EXPLAIN, too: the engine applies some PRAGMAs
 * while it prepares them.
 */
const refusalOf = (sql: string): string | undefined => {
  const raw = Array.from(sql.matchAll(tokenPattern), ([text]) => text).filter((text) => !/^(--|\/\*|;)/.test(text))
  const words = raw.map((text) => text.toUpperCase())
  const start = words[0] !== "EXPLAIN" ? 0 : words[1] === "QUERY" ? 3 : 1
  const verb = words[start]
  if (verb === "ATTACH" || verb === "DETACH") return `${verb} is refused: ${sharedConnection}`
  if (verb === "CREATE" && isTemporary(words.slice(start + 1)))
    return `temporary tables, views and triggers are refused: ${sharedConnection}`
  if (verb !== "PRAGMA") return undefined
  const at = words[start + 2] === "." ? start + 3 : start + 1
  const name = /^\w+$/.test(raw[at] ?? "") ? raw[at]?.toLowerCase() : undefined
  if (name === undefined) return "a PRAGMA whose name is not a plain word is refused"
  return words[at + 1] === undefined || argumentAllowed.has(name)
    ? undefined
    : `setting PRAGMA ${name} is refused: ${sharedConnection}`
}

const isTemporary = (words: ReadonlyArray<string>) => {
  if (words[0] === "TEMP" || words[0] === "TEMPORARY") return true
  const name = words.findIndex((word) => !/^(TABLE|VIEW|TRIGGER|INDEX|UNIQUE|VIRTUAL|IF|NOT|EXISTS)$/.test(word))
  return /^["'`[]?TEMP["'`\]]?$/.test(words[name] ?? "") && words[name + 1] === "."
}

/** Quotes the name of a table or column (https://www.sqlite.org/lang_keywords.html). */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Quotes a text as a string literal. */
export const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`
