/**
 * The types of the inputs of all services. The compiler checks them; the tests have no run time.
 */
import type { Brand, Context } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import type * as db from "@sealant/db"
import type { Lease } from "@sealant/db/build-job"
import type { actingAs } from "@sealant/db/events"
import type { WebhookLease } from "@sealant/db/github"
import type { TeardownLease } from "@sealant/db/sandbox"
import type { Factories } from "@sealant/db/testing"

type Exports = typeof db

/** The interfaces of all services, by name. `RepositoryAccess` is configuration. */
type Services = {
  [Name in keyof Exports as Exports[Name] extends Context.Tag<infer _Id, infer Service>
    ? Service extends object
      ? Name
      : never
    : never]: Exports[Name] extends Context.Tag<infer _Id, infer Service> ? Service : never
}

type Arguments<Method> = Method extends (...args: infer Args) => unknown ? Args : never

/** The branded texts in a value or a list. */
type BrandsIn<Value> =
  Value extends Brand.Brand<string> ? Value : Value extends ReadonlyArray<infer Item> ? BrandsIn<Item> : never

/** The branded texts in an input and its fields. A lease is the result of a claim, and keeps its brand. */
type Brands<Input> = Input extends Lease | TeardownLease | WebhookLease
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

/** The optional fields of an input that refuse `undefined`. */
type RefusingUndefined<Input> = Input extends string | ReadonlyArray<unknown>
  ? never
  : Input extends object
    ? {
        [Field in keyof Input]-?: undefined extends Input[Field]
          ? Record<Field, undefined> extends Pick<Input, Field>
            ? never
            : Field
          : never
      }[keyof Input]
    : never

/** The fields of all services that refuse `undefined`. */
type Guards = {
  [Name in keyof Services]: {
    [Method in keyof Services[Name]]: RefusingUndefined<Arguments<Services[Name][Method]>[number]>
  }[keyof Services[Name]]
}[keyof Services]

/** The options of the functions that are not methods of a service. */
type Options =
  | Parameters<typeof db.BuildWorker.run>[1]
  | NonNullable<Parameters<typeof db.Supervisor.run>[0]>
  | NonNullable<Parameters<typeof db.Retention.purge>[0]>
  | db.Retention.Policy
  | NonNullable<Parameters<typeof db.Maintenance.backup>[1]>
  | Parameters<typeof db.Maintenance.restore>[0]
  | NonNullable<Parameters<typeof db.LegacyImport.run>[1]>
  | NonNullable<Parameters<typeof db.Metrics.layer>[0]>
  | Parameters<typeof db.Database.layer>[0]
  | Parameters<typeof db.Database.layerRemote>[0]
  | Parameters<typeof actingAs>[0]
  | NonNullable<Parameters<(typeof Factories.make)[keyof typeof Factories.make]>[0]>

describe("inputs", () => {
  it("contain ids as plain strings", () => {
    expectTypeOf<Branded>().toEqualTypeOf<never>()
  })

  it("accept undefined in optional fields, except in ids that restrict a request", () => {
    // A caller that lost such an id would reach the rows of all owners.
    expectTypeOf<Guards>().toEqualTypeOf<"ownerUserId" | "sandboxId" | "installationExternalId">()
    expectTypeOf<RefusingUndefined<Options>>().toEqualTypeOf<never>()
  })
})
