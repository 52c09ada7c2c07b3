/**
 * Formats SQL: one clause on a line, and lines of at most 120 characters.
 */

import { Array } from "effect"

const lineWidth = 120

/** A word, literal or operator of a statement, or a group: parentheses, or `CASE ... END`. */
interface Token {
  /** The word, or the first one of the group. */
  readonly text: string
  /** The contents of the group; `undefined` for other tokens. */
  readonly group: Tokens | undefined
  readonly isSpaced: boolean
}

type Tokens = ReadonlyArray<Token>

// String literals and quoted names, operators of several characters, words and placeholders, and single characters.
const tokenPattern = /(\s*)('(?:[^']|'')*'|"(?:[^"]|"")*"|->>|->|\|\||<>|<=|>=|<<|[\w.?]+(?:\.\*)?|\S)/g

const parse = (text: string): Tokens => {
  const root: Array<Token> = []
  const open: Array<Array<Token>> = [root]
  for (const [, space = "", word = ""] of text.matchAll(tokenPattern)) {
    const current = open.at(-1) ?? root
    const previous = current.at(-1)
    const isSpaced = previous !== undefined && word !== "," && (space !== "" || previous.text === ",")
    if (word === ")" || word === "END") open.pop()
    else if (word === "(" || word === "CASE") {
      const group: Array<Token> = []
      current.push({ text: word, group, isSpaced })
      open.push(group)
    } else current.push({ text: word, group: undefined, isSpaced })
  }
  return root
}

/** Writes tokens on one line. */
const flat = (tokens: Tokens): string =>
  tokens.map((token, index) => `${token.isSpaced && index > 0 ? " " : ""}${flatToken(token)}`).join("")

const flatToken = ({ group, text }: Token) =>
  group === undefined ? text : text === "CASE" ? `CASE ${flat(group)} END` : `(${flat(group)})`

/** Splits the tokens before each one that begins a part. */
const splitBefore = (tokens: Tokens, begins: (index: number) => boolean): ReadonlyArray<Tokens> => {
  const parts: Array<Array<Token>> = []
  for (const [index, token] of tokens.entries()) {
    const part = parts.at(-1)
    if (part === undefined || begins(index)) parts.push([token])
    else part.push(token)
  }
  return parts
}

const clauseWords =
  /^(SELECT|FROM|WHERE|GROUP|HAVING|ORDER|LIMIT|UNION|EXCEPT|VALUES|RETURNING|INSERT|UPDATE|DELETE|WITH|LEFT|CROSS|INNER|JOIN)$/

/** Returns whether this WHERE belongs to the target of an ON CONFLICT. */
const isConflictCondition = (tokens: Tokens) =>
  tokens.find(({ text }, index) => text === "DO" || (text === "ON" && tokens[index + 1]?.text === "CONFLICT"))?.text ===
  "DO"

/** Splits a query or statement into its clauses. `DELETE FROM`, `DISTINCT FROM` and `LEFT JOIN` are not split. */
const clausesOf = (tokens: Tokens) =>
  splitBefore(tokens, (index) => {
    const word = tokens[index]?.text ?? ""
    const previous = tokens[index - 1]?.text ?? ""
    switch (word) {
      case "ON":
        return tokens[index + 1]?.text === "CONFLICT"
      case "FROM":
        return previous !== "DELETE" && previous !== "DISTINCT"
      case "JOIN":
        return !/^(LEFT|CROSS|INNER)$/.test(previous)
      case "UPDATE":
        return previous !== "DO"
      case "WHERE":
        return !isConflictCondition(tokens.slice(index))
      default:
        return clauseWords.test(word)
    }
  })

const itemsOf = (tokens: Tokens) => splitBefore(tokens, (index) => tokens[index - 1]?.text === ",")

const conditionsOf = (tokens: Tokens) =>
  splitBefore(tokens, (index) => {
    const word = tokens[index]?.text ?? ""
    return word === "OR" || (word === "AND" && tokens[index - 2]?.text !== "BETWEEN")
  })

const branchesOf = (tokens: Tokens) => splitBefore(tokens, (index) => /^(WHEN|ELSE)$/.test(tokens[index]?.text ?? ""))

const isQuery = (tokens: Tokens) => /^(SELECT|WITH|VALUES)$/.test(tokens[0]?.text ?? "")

/** The lines of a text that begins at `column`; each further line begins at `indent`. */
class Lines {
  private text = ""
  constructor(
    private column: number,
    private readonly indent: number
  ) {}

  fits(text: string) {
    return this.column + text.length <= lineWidth
  }

  add(text: string) {
    this.text += text
    const lines = text.split("\n")
    this.column = lines.length > 1 ? (lines.at(-1) ?? "").length : this.column + text.length
  }

  next(indent = this.indent) {
    this.add(`\n${" ".repeat(indent)}`)
  }

  get at() {
    return this.column
  }

  toString() {
    return this.text
  }
}

const untilGroup = (tokens: Tokens) => Array.takeWhile(tokens, ({ group }) => group === undefined)

/** Writes tokens that begin at `column`. Groups that do not fit on the line are broken. */
const words = (tokens: Tokens, column: number, indent: number): string => {
  const lines = new Lines(column, indent + 2)
  for (const [index, token] of tokens.entries()) {
    const { group, isSpaced, text } = token
    const written = flatToken(token)
    const space = isSpaced && index > 0 ? " " : ""
    const tail = group === undefined ? "" : flat(untilGroup(tokens.slice(index + 1)))
    if (text === "," || lines.fits(`${space}${written} ${tail}`)) lines.add(space + written)
    else if (group === undefined) {
      lines.next()
      lines.add(written)
    } else if (text === "CASE") {
      lines.add(`${space}CASE`)
      for (const branch of branchesOf(group)) {
        lines.next()
        lines.add(words(branch, lines.at, indent + 2))
      }
      lines.next(indent)
      lines.add("END")
    } else {
      lines.add(`${space}(`)
      lines.next()
      lines.add(`${isQuery(group) ? query(group, indent + 2) : list(group, indent + 2, indent + 2)})`)
    }
  }
  return lines.toString()
}

/** Writes conditions: on one line, or each on its own. */
const conditions = (tokens: Tokens, column: number, indent: number): string => {
  const parts = conditionsOf(tokens)
  const lines = new Lines(column, indent)
  if (parts.length === 1 || lines.fits(flat(tokens))) return words(tokens, column, indent)
  for (const [index, part] of parts.entries()) {
    if (index > 0) lines.next()
    lines.add(words(part, lines.at, indent))
  }
  return lines.toString()
}

/** Writes items after commas, as many on a line as fit. */
const list = (tokens: Tokens, column: number, indent: number): string => {
  const lines = new Lines(column, indent)
  for (const [index, item] of itemsOf(tokens).entries()) {
    const text = flat(item)
    if (index > 0 && lines.fits(` ${text}`)) lines.add(` ${text}`)
    else {
      if (index > 0) lines.next()
      lines.add(conditions(item, lines.at, indent))
    }
  }
  return lines.toString()
}

/** Returns the number of tokens that begin a clause: `ORDER BY`, `UPDATE sandboxes SET`. */
const headLength = (tokens: Tokens) => {
  const set = tokens.findIndex(({ text }) => text === "SET")
  if (set >= 0) return set + 1
  return /^(BY|ALL|INTO|DISTINCT)$/.test(tokens[1]?.text ?? "") ? 2 : 1
}

const clause = (tokens: Tokens, indent: number): string => {
  if (indent + flat(tokens).length <= lineWidth) return flat(tokens)
  const length = headLength(tokens)
  const head = flat(tokens.slice(0, length))
  const rest = tokens.slice(length)
  const column = indent + head.length + 1
  if (itemsOf(rest).length === 1 && conditionsOf(rest).length === 1) return `${head} ${words(rest, column, indent)}`
  return head.endsWith(" SET")
    ? [head, ...itemsOf(rest).map((item) => conditions(item, indent + 2, indent + 2))].join(
        `\n${" ".repeat(indent + 2)}`
      )
    : `${head} ${list(rest, column, indent + 2)}`
}

const query = (tokens: Tokens, indent: number): string =>
  indent + flat(tokens).length <= lineWidth
    ? flat(tokens)
    : clausesOf(tokens)
        .map((part) => clause(part, indent))
        .join(`\n${" ".repeat(indent)}`)

/** Formats one statement. */
export const format = (statement: string): string => query(parse(statement), 0)
