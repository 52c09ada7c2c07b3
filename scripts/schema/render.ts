/**
 * Renders `docs/schema.md`: the tables of the database as Markdown, with diagrams in Mermaid
 * (https://mermaid.js.org/syntax/entityRelationshipDiagram.html, https://mermaid.js.org/syntax/stateDiagram.html).
 */
import { Array } from "effect"
import type { States, Table } from "../../src/sql/table.js"
import type { Column, ForeignKey, TableSchema } from "./read.js"

interface View {
  readonly name: string
  readonly definition: string
}

interface Schema {
  readonly tables: ReadonlyArray<TableSchema>
  readonly views: ReadonlyArray<View>
}

const code = (text: string) => `\`${text.replaceAll("|", "\\|")}\``

const fenced = (lines: ReadonlyArray<string>) => ["```mermaid", ...lines, "```"]

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  rows.length === 0 ? [] : ["", ...[head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)]

const referenceOf = ({ columns, onDelete, parent, parentColumns }: ForeignKey) =>
  `${code(`(${columns.join(", ")})`)} → ${code(`${parent} (${parentColumns.join(", ")})`)}, on delete ${onDelete.toLowerCase()}`

const columnRow =
  ({ foreignKeys }: TableSchema) =>
  (column: Column) => [
    code(column.name),
    column.type,
    column.required ? "" : "yes",
    column.default === null ? "" : code(column.default),
    [
      ...(column.key > 0 ? ["primary key"] : []),
      ...foreignKeys.filter(({ columns }) => columns.includes(column.name)).map(({ parent }) => `→ ${code(parent)}`)
    ].join(", ")
  ]

const stateDiagram = ({ columns }: TableSchema, column: string, { states, transitions }: States) => {
  const initial = columns.find(({ name }) => name === column)?.default?.replaceAll("'", "")
  const moves = states.flatMap((from) => (transitions[from] ?? []).map((to) => `  ${from} --> ${to}`))
  const ends = states.filter((state) => (transitions[state] ?? []).length === 0).map((state) => `  ${state} --> [*]`)
  return [
    "",
    `States of ${code(column)}:`,
    "",
    ...fenced(["stateDiagram-v2", ...(initial === undefined ? [] : [`  [*] --> ${initial}`]), ...moves, ...ends])
  ]
}

const section = (schema: TableSchema, { purpose, service, states = {} }: Table) => [
  "",
  `### ${schema.name}`,
  "",
  `${purpose} Owned by ${code(service)}.`,
  ...table(["column", "type", "null", "default", "key"], schema.columns.map(columnRow(schema))),
  ...table(
    ["constraint", "rule"],
    [
      ...schema.foreignKeys.map((key) => ["foreign key", referenceOf(key)]),
      ...schema.checks.map(({ name, rule }) => [code(name), code(rule)])
    ]
  ),
  ...table(
    ["index", "", "over"],
    schema.indexes.map(({ definition, name, unique }) => [code(name), unique ? "unique" : "", code(definition)])
  ),
  ...table(
    ["trigger", "when", "refuses with"],
    schema.triggers.map(({ event, name, refusal }) => [code(name), event, refusal ?? ""])
  ),
  ...Object.entries(states).flatMap(([column, machine]) => stateDiagram(schema, column, machine))
]

/** Returns a line of the diagram for each foreign key, with its cardinality. */
const relations = (child: TableSchema) =>
  child.foreignKeys.map(({ columns, parent }) => {
    const always = columns.every((name) => child.columns.find((column) => column.name === name)?.required)
    const key = child.columns.filter((column) => column.key > 0).map(({ name }) => name)
    const once = [key, ...child.indexes.filter(({ unique }) => unique).map((index) => index.columns)].some(
      (unique) => unique.length > 0 && unique.every((name) => columns.includes(name))
    )
    return `  ${parent} ${always ? "||" : "|o"}--${once ? "o|" : "o{"} ${child.name} : "${columns.join(", ")}"`
  })

const entityDiagram = (tables: ReadonlyArray<TableSchema>) =>
  fenced(["erDiagram", ...tables.map(({ name }) => `  ${name}`), ...tables.flatMap(relations)])

const title = (domain: string) => `${domain.charAt(0).toUpperCase()}${domain.slice(1).replaceAll("_", " ")}`

const viewLines = (views: ReadonlyArray<View>) =>
  views.length === 0
    ? []
    : [
        "",
        "## Views",
        ...table(
          ["view", "reads"],
          views.map(({ definition, name }) => [code(name), code(definition)])
        )
      ]

/** Renders a section for each domain, in the order of `domains`. Throws if a table has no description. */
export const render = (
  { tables, views }: Schema,
  descriptions: ReadonlyMap<string, Table>,
  domains: ReadonlyArray<string>
): string => {
  const described = (schema: TableSchema) => {
    const description = descriptions.get(schema.name)
    if (description === undefined)
      throw new Error(`the table ${schema.name} has no description: annotate its row model with table(...)`)
    return section(schema, description)
  }
  const byDomain = Array.groupBy(tables, ({ domain }) => domain ?? "bookkeeping")
  const parts = [...domains, "bookkeeping"].flatMap((domain) => {
    const own = byDomain[domain] ?? []
    return own.length === 0 ? [] : ["", `## ${title(domain)}`, "", ...entityDiagram(own), ...own.flatMap(described)]
  })
  return [
    "# The schema",
    "",
    "Made by `npm run docs:schema` from a migrated database and the row models: do not edit it.",
    "",
    "Every table is STRICT. Timestamps are epoch milliseconds, booleans 0 or 1, documents JSON text. A diagram of a domain",
    "shows its tables and what they refer to; `||` is one, `|o` none or one, `o{` any number.",
    ...parts,
    ...viewLines(views),
    ""
  ].join("\n")
}
