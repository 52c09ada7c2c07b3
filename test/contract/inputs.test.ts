/**
 * The types of the inputs of all services. The compiler checks them; the tests have no run time.
 */
import type { Brand, Context } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import type * as db from "@sealant/db"
import type { Lease } from "@sealant/db/build-job"
import type { WebhookLease } from "@sealant/db/github"

type Exports = typeof db

/** The interfaces of all services, by name. */
type Services = {
  [Name in keyof Exports as Exports[Name] extends Context.Tag<infer _Id, infer _Service>
    ? Name
    : never]: Exports[Name] extends Context.Tag<infer _Id, infer Service> ? Service : never
}

type Arguments<Method> = Method extends (...args: infer Args) => unknown ? Args : never

/** The branded texts in a value or a list. */
type BrandsIn<Value> =
  Value extends Brand.Brand<string> ? Value : Value extends ReadonlyArray<infer Item> ? BrandsIn<Item> : never

/** The branded texts in an input and its fields. A lease is the result of a claim, and keeps its brand. */
type Brands<Input> = Input extends Lease | WebhookLease
  ? never
  : Input extends string | ReadonlyArray<unknown>
    ? BrandsIn<Input>
    : Input extends object
      ? { [Field in keyof Input]-?: BrandsIn<Input[Field]> }[keyof Input]
      : never

/** `Service.method` of the methods that refuse a plain string as an id. */
type Branded = {
  [Name in keyof Services & string]: {
    [Method in keyof Services[Name] & string]: Brands<Arguments<Services[Name][Method]>[number]> extends never
      ? never
      : `${Name}.${Method}`
  }[keyof Services[Name] & string]
}[keyof Services & string]

describe("inputs", () => {
  it("contain ids as plain strings", () => {
    expectTypeOf<Branded>().toEqualTypeOf<never>()
  })
})
