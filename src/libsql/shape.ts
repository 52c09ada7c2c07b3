/**
 * Makes objects of one shape.
 *
 * V8 turns an object into a dictionary when many properties are added to it by computed names, as the binding does with
 * its rows, too: slow to make, slow for whoever reads it, and more garbage. A constructor that names them in its text
 * keeps the shape: a fifth of the cost of a whole read, measured by `npm run bench`.
 */

/** A function from values, in the order of `names`, to an object that holds them. */
export const objectsOf = (names: ReadonlyArray<string>): (values: ReadonlyArray<unknown>) => object => {
  const assignments = names.map((name, index) => `this[${JSON.stringify(name)}] = values[${index}]`).join("; ")
  // The only text is names of columns, quoted as JSON, which JavaScript reads as the strings that they are.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make: unknown = new Function(
    `function Shape(values) { ${assignments} }
     Shape.prototype = Object.prototype
     return (values) => new Shape(values)`
  )()
  return make as (values: ReadonlyArray<unknown>) => object
}

/**
 * The same with a prototype, and each value made from the property of the same name of a source, by the function in the same place. What
 * is made as `invalid` ends it: `refuse` is told the name, and throws.
 */
export const convertedObjectsOf = (
  columns: ReadonlyArray<{ readonly name: string; readonly from: string; readonly convert: (value: unknown) => unknown }>,
  prototype: object,
  invalid: symbol,
  refuse: (name: string) => never
): (source: Readonly<Record<string, unknown>>) => object => {
  const parameters = columns.map((_, index) => `value${index}`).join(", ")
  const assignments = columns.map(({ name }, index) => `this[${JSON.stringify(name)}] = value${index}`).join("; ")
  const conversions = columns.map(({ from, name }, index) =>
    `const value${index} = convert${index}(source[${JSON.stringify(from)}])
     if (value${index} === invalid) refuse(${JSON.stringify(name)})`)
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

/** A row by the names of its columns. Of those that share a name, the first gives the value, as in `@libsql/client`. */
export const rowOf = (names: ReadonlyArray<string>, values: ReadonlyArray<unknown>): Record<string, unknown> => {
  const row: Record<string, unknown> = {}
  names.forEach((name, index) => {
    if (!Object.hasOwn(row, name)) row[name] = values[index]
  })
  return row
}
