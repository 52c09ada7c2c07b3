/**
 * Unknown fields of inputs. They are refused, because a misspelled field would be dropped: a filter without its owner
 * lists the rows of all owners.
 *
 * Nested objects keep fields that they do not need, so that a caller can pass stored rows in a list of a request.
 */
import { type Schema, SchemaAST } from "effect"
import { isPlainObject, shown } from "./inputLimits.js"

/**
 * Returns the function that finds the first unknown field of an input, as an issue. Fields with the value `undefined`
 * count as absent. Schemas other than those of objects have no unknown fields.
 */
export const unknownFieldFinder = <A, I>(
  { ast }: Schema.Schema<A, I>,
  otherFields: ReadonlyArray<string>
): ((input: unknown) => string | undefined) => {
  const fields = fieldsOf(ast)
  return fields === undefined ? () => undefined : unknownFieldOf([...fields, ...otherFields])
}

/** Returns the function that finds the first field of an input that is not one of `fields`, as an issue. */
export const unknownFieldOf = (fields: ReadonlyArray<string>): ((input: unknown) => string | undefined) => {
  const known = new Set(fields)
  return (input) => {
    if (!isPlainObject(input)) return undefined
    for (const field of Object.keys(input)) {
      if (known.has(field) || input[field] === undefined) continue
      return `${shown(field)}: is not a field of this request; its fields are ${[...known].join(", ")}`
    }
    return undefined
  }
}

/** Returns the fields of the encoded side of a struct, or `undefined` if the schema accepts other values or any field. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> | undefined => {
  if (SchemaAST.isRefinement(ast) || SchemaAST.isTransformation(ast)) return fieldsOf(ast.from)
  if (SchemaAST.isUnion(ast)) {
    const members = ast.types.map(fieldsOf)
    return members.every((fields) => fields !== undefined) ? members.flat() : undefined
  }
  if (!SchemaAST.isTypeLiteral(ast) || ast.indexSignatures.length > 0 || ast.propertySignatures.length === 0)
    return undefined
  return ast.propertySignatures.map(({ name }) => String(name))
}
