/**
 * Makes objects of one shape.
 *
 * V8 turns an object into a dictionary when many properties are added to it by computed names, as the binding does with
 * its rows, too: slow to make, slow for whoever reads it, and more garbage. A constructor that names them in its text
 * keeps the shape: a fifth of the cost of a whole read, measured by `npm run bench`.
 */

/** A function from values, in the order of `names`, to an object with `prototype` that holds them. */
export const objectsOf = (
  names: ReadonlyArray<string>,
  prototype: object = Object.prototype
): (values: ReadonlyArray<unknown>) => object => {
  const assignments = names.map((name, index) => `this[${JSON.stringify(name)}] = values[${index}]`).join("; ")
  // The only text is names of columns, quoted as JSON, which JavaScript reads as the strings that they are.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make: unknown = new Function(
    "prototype",
    `function Shape(values) { ${assignments} }
     Shape.prototype = prototype
     return (values) => new Shape(values)`
  )(prototype)
  return make as (values: ReadonlyArray<unknown>) => object
}
