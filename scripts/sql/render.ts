/**
 * Renders `docs/sql.md`: the statements of each method, with their query plans.
 */
import { Array, Order } from "effect"
import { format } from "./format.js"
import { loops, type MethodStatements } from "./record.js"

/** A statement, and the methods that run it. */
interface Entry {
  readonly sql: string
  /** The verb and the first table: `UPDATE sandboxes`. */
  readonly title: string
  readonly plan: ReadonlyArray<string>
  readonly methods: ReadonlyArray<Method>
}

interface Method extends MethodStatements {
  readonly name: string
  /** The distinct statements, normalized. */
  readonly statements: ReadonlyArray<string>
}

/** The place of a statement in the document: a heading. */
type Homes = ReadonlyMap<string, string>

const sharedBy = 3

/** Omits the name of a result column if it is the name of the field: `created_at AS "createdAt"`. */
const withoutFieldName = (column: string, name: string) => {
  const field = column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return field === name || field.split(".")[1] === name ? column : `${column} AS "${name}"`
}

/** Removes what a reader does not need: the length of lists, quotes, and names of result columns. */
export const normalized = (text: string) =>
  text
    .replaceAll(/([\w.]+) AS "([\w.]+)"/g, (_, column: string, name: string) => withoutFieldName(column, name))
    .replaceAll(/\s+/g, " ")
    .trim()
    .replaceAll(/"(?!end")([a-z_]+)"/g, "$1")
    .replaceAll(/\bIN \(\?(?:, ?\?)*\)/g, "IN (?, ...)")
    .replaceAll(/(SELECT .+?)(?: UNION ALL \1)+/g, "$1 UNION ALL ...")

const titleOf = (sql: string) => {
  const written = /^(?:INSERT INTO|UPDATE|DELETE FROM) \w+/.exec(sql)?.[0]
  const read = Array.findFirst(sql.matchAll(/\b(?:FROM|JOIN) (\w+)/g), ([, table]) => table !== "json_each")
  return written ?? `SELECT FROM ${read._tag === "Some" ? read.value[1] : "no table"}`
}

/** The anchor of a heading, as GitHub makes it. */
const anchorOf = (heading: string) =>
  `#${heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-")}`

const linkTo = (heading: string) => `[${heading}](${anchorOf(heading)})`

/** Methods with few statements come before those with many, repositories before their callers, `find` before `get`. */
const byProximity = Order.combineAll([
  Order.mapInput(Order.number, ({ statements }: Method) => statements.length),
  Order.mapInput(Order.boolean, ({ service }: Method) => !service.endsWith("Repo")),
  Order.mapInput(Order.boolean, ({ method }: Method) => !method.startsWith("find"))
])

const entriesOf = (methods: ReadonlyArray<Method>, plan: (text: string) => ReadonlyArray<string>) => {
  const entries = new Map<string, Entry>()
  for (const method of methods) {
    for (const text of method.texts) {
      const sql = normalized(text)
      const { methods: earlier, ...entry } = entries.get(sql) ?? {
        sql,
        title: titleOf(sql),
        plan: plan(text),
        methods: []
      }
      entries.set(sql, { ...entry, methods: Array.dedupe([...earlier, method]) })
    }
  }
  return entries
}

const isShared = ({ methods }: Entry) =>
  methods.length >= sharedBy && methods.every(({ statements }) => statements.length > 1)

/** Numbers the shared statements with the same title. */
const sharedHeadings = (entries: ReadonlyArray<Entry>): ReadonlyArray<readonly [heading: string, entry: Entry]> =>
  Object.entries(Array.groupBy(entries, ({ title }) => title))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([title, same]) =>
      same.map((entry, index) => [same.length === 1 ? title : `${title} (${index + 1})`, entry] as const)
    )

const fence = (entries: ReadonlyArray<Entry>) => [
  "",
  "```sql",
  ...Array.intersperse(
    entries.map(({ plan, sql }) => [format(sql), ...plan.map((line) => `-- ${line}`)]),
    [""]
  ).flat(),
  "```"
]

const links = (entries: ReadonlyArray<Entry>, homes: Homes) => [
  "",
  ...entries.map((entry) => {
    const home = homes.get(entry.sql) ?? ""
    return home.startsWith(entry.title) ? `- ${linkTo(home)}` : `- \`${entry.title}\`: ${linkTo(home)}`
  })
]

const transactionNotes = { all: ["", "In a transaction."], some: ["", "Partly in transactions."], none: [] }

const methodLines = (
  { inTransaction, name, statements }: Method,
  entries: ReadonlyMap<string, Entry>,
  homes: Homes
) => {
  const callees = loops[name] ?? []
  const own = statements.flatMap((sql) => entries.get(sql) ?? [])
  const isHere = ({ sql }: Entry) => homes.get(sql) === name
  const lines = ["", `### ${name}`, ...transactionNotes[inTransaction]]
  if (callees.length > 0) return [...lines, "", `Calls ${callees.map(linkTo).join(", ")} in a loop.`]
  if (!Array.isNonEmptyArray(own)) return [...lines, "", "Runs no statement."]
  const groups = Array.groupWith(own, (a, b) => isHere(a) === isHere(b))
  return [...lines, ...groups.flatMap((group) => (isHere(group[0]) ? fence(group) : links(group, homes)))]
}

/** Renders a section for each service, in the order of the methods, and one for shared statements. */
export const render = (
  recorded: ReadonlyArray<MethodStatements>,
  plan: (text: string) => ReadonlyArray<string>
): string => {
  const methods = recorded.map((method) => ({
    ...method,
    name: `${method.service}.${method.method}`,
    statements: Array.dedupe(method.texts.map(normalized))
  }))
  const entries = entriesOf(methods, plan)
  const shared = sharedHeadings([...entries.values()].filter(isShared))
  const homes = new Map(
    [...entries.values()].map(({ methods, sql }) => [sql, Array.sort(methods, byProximity)[0]?.name ?? ""])
  )
  for (const [heading, { sql }] of shared) homes.set(sql, heading)

  const services = Object.entries(Array.groupBy(methods, ({ service }) => service))
  return [
    "# SQL statements",
    "",
    "Generated by `npm run docs:sql` from calls of every method of every service: do not edit it.",
    "",
    "- `test/contract` has a sample call of each method. It is recorded twice in a row, and with unknown ids. Statements of",
    "  other cases may be missing. A call without an optional field may have fewer conditions.",
    `- A statement of several methods is shown once: in [Shared statements](#shared-statements) if at least ${sharedBy} methods`,
    "  run it among others, else under the method with the fewest statements. The other methods link to it.",
    "- Statements are in the order of their first execution. `grep '^UPDATE sandboxes' docs/sql.md` finds each that writes",
    "  the table.",
    "- In a transaction: the statements run between `BEGIN IMMEDIATE` and `COMMIT`, and nested ones between `SAVEPOINT` and",
    "  `RELEASE`. Other writes share commits ([architecture.md](decisions-transactions.md#15-group-commit)).",
    "- The comments are the [query plan](https://www.sqlite.org/eqp.html) on an empty database, without triggers.",
    "- `IN (?, ...)` is a list of any length. `UNION ALL ...` repeats the branch before it for each status. Names of result",
    '  columns are omitted if they are the names of fields: `AS "createdAt"` after `created_at`.',
    "",
    ...services.map(([service]) => `- ${linkTo(service)}`),
    `- ${linkTo("Shared statements")}`,
    ...services.flatMap(([service, own]) => [
      "",
      `## ${service}`,
      ...own.flatMap((method) => methodLines(method, entries, homes))
    ]),
    "",
    "## Shared statements",
    ...shared.flatMap(([heading, entry]) => [
      "",
      `### ${heading}`,
      "",
      `Run by ${entry.methods.map(({ name }) => linkTo(name)).join(", ")}.`,
      ...fence([entry])
    ]),
    ""
  ].join("\n")
}
