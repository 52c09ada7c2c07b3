/**
 * Constructors of objects that share one shape.
 *
 * V8 turns an object into a dictionary when many properties are added by computed names, as the binding does for its
 * rows. A dictionary is slow to make and to read, and leaves more garbage. A constructor whose text contains the
 * names keeps the shape. The difference is a fifth of the cost of a whole read, measured by `npm run bench`.
 */

/** Returns a function from values, in the order of `names`, to an object that contains them. */
export const objectsOf = (names: ReadonlyArray<string>): ((values: ReadonlyArray<unknown>) => object) => {
  const assignments = names.map((name, index) => `this[${JSON.stringify(name)}] = values[${index}]`).join("; ")
  // The text contains only names of columns, quoted as JSON, which are the same strings in JavaScript.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make: unknown = new Function(
    `function Shape(values) { ${assignments} }
     Shape.prototype = Object.prototype
     return (values) => new Shape(values)`
  )()
  return make as (values: ReadonlyArray<unknown>) => object
}

/**
 * Returns a function that makes objects with a prototype from a source. Each column's value is `convert` of the
 * property `from` of the source. If a conversion returns `invalid`, `refuse` is called with the name of the column,
 * and throws.
 */
export const convertedObjectsOf = (
  columns: ReadonlyArray<{
    readonly name: string
    readonly from: string
    readonly convert: (value: unknown) => unknown
  }>,
  prototype: object,
  invalid: symbol,
  refuse: (name: string) => never
): ((source: Readonly<Record<string, unknown>>) => object) => {
  const parameters = columns.map((_, index) => `value${index}`).join(", ")
  const assignments = columns.map(({ name }, index) => `this[${JSON.stringify(name)}] = value${index}`).join("; ")
  const conversions = columns.map(
    ({ from, name }, index) =>
      `const value${index} = convert${index}(source[${JSON.stringify(from)}])
     if (value${index} === invalid) refuse(${JSON.stringify(name)})`
  )
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make: unknown = new Function(
    "prototype",
    "invalid",
    "refuse",
    ...columns.map((_, index) => `convert${index}`),
    `function Shape(${parameters}) { ${assignments} }
     Shape.prototype = prototype
     return (source) => {
       ${conversions.join("\n")}
       return new Shape(${parameters})
     }`
  )(prototype, invalid, refuse, ...columns.map(({ convert }) => convert))
  return make as (source: Readonly<Record<string, unknown>>) => object
}

/**
 * Makes a row from names and values of columns. Of columns with the same name the first one counts, as in
 * `@libsql/client`.
 */
export const rowOf = (names: ReadonlyArray<string>, values: ReadonlyArray<unknown>): Record<string, unknown> => {
  const row: Record<string, unknown> = {}
  names.forEach((name, index) => {
    if (!Object.hasOwn(row, name)) row[name] = values[index]
  })
  return row
}
