/**
 * The form of help texts: the full name of the command in its usage, and lines that fit the terminal.
 */

// oxlint-disable-next-line no-control-regex -- the escape sequences of a terminal begin with a control character
const escapes = /\u001b\[[\d;]*m/g

/** Removes the colours of a text. */
export const withoutColour = (text: string): string => text.replaceAll(escapes, "")

const lengthOf = (text: string) => withoutColour(text).length

/** The width of lines: that of the terminal, at most 100 characters, and 100 without a terminal. */
export const widthOf = (columns: number | undefined): number => Math.max(40, Math.min(100, columns ?? 100))

/** Wraps a line at spaces. The lines after the first one begin with `indent` spaces. */
export const wrap = (line: string, width: number, indent: number): ReadonlyArray<string> => {
  const [, lead = "", rest = ""] = /^(\s*)(.*)$/.exec(line) ?? []
  const lines: Array<string> = []
  let current = ""
  for (const word of rest.split(" ")) {
    const isFull =
      lengthOf(current) > 0 &&
      (lines.length === 0 ? lead.length : indent) + lengthOf(current) + 1 + lengthOf(word) > width
    if (isFull) {
      lines.push(current)
      current = word
    } else current = current === "" ? word : `${current} ${word}`
  }
  lines.push(current)
  return lines.map((text, index) => (index === 0 ? lead : " ".repeat(indent)) + text)
}

// A row of the list of commands: its usage and its description, in two columns.
const row = /^ {2}- (\S.*?) {2,}(\S.*)$/

/** Shows a row in two columns if the usages leave space for descriptions, otherwise one below the other. */
const rowLines = (usage: string, description: string, usageWidth: number, width: number): ReadonlyArray<string> => {
  const indent = usageWidth + 4
  if (indent <= width / 2) return wrap(`  ${usage.padEnd(usageWidth)}  ${description}`, width, indent)
  return [...wrap(`  ${usage}`, width, 6), ...wrap(`      ${description}`, width, 6)]
}

/** Formats rows of two columns. */
export const columnLines = (rows: ReadonlyArray<readonly [string, string]>, width: number): ReadonlyArray<string> => {
  const usageWidth = Math.max(...rows.map(([usage]) => usage.length))
  return rows.flatMap(([usage, description]) => rowLines(usage, description, usageWidth, width))
}

/** Forms a help text for a terminal of this width. `path` is the full name of the command. */
export const formHelp = (text: string, path: string, width: number): string => {
  // The first paragraph is the name of the program, which the second one repeats with the version.
  const lines = text.split("\n").slice(2)
  const rows = lines.flatMap((line) => row.exec(withoutColour(line))?.[1] ?? [])
  const usageWidth = Math.max(0, ...rows.map((usage) => usage.length))
  const formed = lines.flatMap((line) => {
    const plain = withoutColour(line)
    const [, usage = "", description = ""] = row.exec(plain) ?? []
    if (usage !== "") return rowLines(usage, description, usageWidth, width)
    // The parser shows the last name of a command only, and no argument for subcommands.
    if (plain.startsWith("$ "))
      return wrap(`$ ${path}${plain.slice(2).replace(/^\S+/, "")}${rows.length > 0 ? " <command>" : ""}`, width, 4)
    return lengthOf(line) > width ? wrap(line, width, /^\s*/.exec(plain)?.[0].length ?? 0) : [line]
  })
  // One empty line between sections, and none between the rows of a list.
  return formed
    .filter((line, index) => line !== "" || !isRow(formed[index - 1]) || !isRow(formed[index + 1]))
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd()
}

const isRow = (line: string | undefined) => line !== undefined && line.startsWith("  ")
