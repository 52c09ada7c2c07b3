/**
 * The purpose of each table, from its row model.
 */
import { Schema, type SchemaAST } from "effect"
import * as db from "../index.js"
import { ledgerTable } from "../migration/ledger.js"
import { TableId } from "../sql/table.js"

interface Purpose {
  readonly name: string
  readonly purpose: string
}

const isPurpose = (value: unknown): value is Purpose =>
  typeof value === "object" && value !== null && "name" in value && "purpose" in value

// The schema of a class is a transformation, and one of its sides has the annotations.
const purposeOf = (ast: SchemaAST.AST): Purpose | undefined => {
  const own = ast.annotations[TableId]
  if (isPurpose(own)) return own
  return ast._tag === "Transformation" ? (purposeOf(ast.to) ?? purposeOf(ast.from)) : undefined
}

const all = Object.values(db).flatMap((value: unknown) => {
  const purpose = Schema.isSchema(value) ? purposeOf(value.ast) : undefined
  return purpose === undefined ? [] : [purpose]
})

/** The purposes by the names of the tables. */
export const purposes: ReadonlyMap<string, string> = new Map(
  [...all, ledgerTable].map(({ name, purpose }) => [name, purpose])
)
