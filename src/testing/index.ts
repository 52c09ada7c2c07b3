/**
 * The testing kit, `@sealant/db/testing`: a test layer with an in-memory database, and factories of rows.
 *
 * It contains no mocks of the repositories. To test a failure, stub the methods that the test calls with `Layer.mock`
 * of `effect`:
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { PersistenceError, SandboxRepo } from "@sealant/db"
 *
 * export const busy = Layer.mock(SandboxRepo, {
 *   getById: () => Effect.fail(new PersistenceError({ operation: "SandboxRepo.getById", reason: "Busy", cause: "SQLITE_BUSY" }))
 * })
 * ```
 */
export * as Factories from "./Factories.js"
export { layerTest, type TestServices } from "./layerTest.js"
