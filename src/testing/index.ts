/**
 * The testing kit, `@sealant/db/testing`: databases for tests, and rows to put into them.
 *
 * There are no doubles of the repositories here. Where a test wants one to fail, `Layer.mock` of `effect` makes a stub of
 * the methods that the test calls:
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { PersistenceError, SandboxRepo } from "@sealant/db"
 *
 * const busy = Layer.mock(SandboxRepo, {
 *   getById: () => Effect.fail(new PersistenceError({ operation: "SandboxRepo.getById", reason: "Busy", cause: "SQLITE_BUSY" }))
 * })
 * ```
 */
export * as Factories from "./Factories.js"
export { layerTest, type TestServices } from "./layerTest.js"
