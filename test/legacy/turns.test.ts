/**
 * The event loop turns between the steps of an import.
 */
import { expect, it } from "@effect/vitest"
import { LegacyImport } from "@sealant/db"
import { Effect } from "effect"
import { legacyTables } from "../../src/legacy/tables.js"
import { memoryLayer } from "../support/database.js"
import { legacyPath, writeDeployment } from "./source.js"

/** Records the tables whose model is read, by turn of the event loop. */
const modelsByTurn = Effect.acquireRelease(
  Effect.sync(() => {
    const turns: Array<Set<string>> = [new Set()]
    const restored = legacyTables.map((table) => {
      const { model } = table
      Object.defineProperty(table, "model", { configurable: true, get: () => (turns.at(-1)?.add(table.name), model) })
      return () => Object.defineProperty(table, "model", { configurable: true, value: model })
    })
    let timer = setImmediate(() => {})
    const turn = () => {
      turns.push(new Set())
      timer = setImmediate(turn)
    }
    turn()
    return { turns, end: () => (clearImmediate(timer), restored.forEach((restore) => restore())) }
  }),
  ({ end }) => Effect.sync(end)
)

it.scoped("an import prepares at most one table per turn of the event loop", () =>
  Effect.gen(function* () {
    const { path } = yield* legacyPath
    writeDeployment(path)
    const { turns } = yield* modelsByTurn
    yield* LegacyImport.run(path)
    const sizes = turns.map(({ size }) => size)
    expect(Math.max(...sizes)).toBe(1)
    expect(sizes.filter((size) => size > 0).length).toBeGreaterThanOrEqual(legacyTables.length)
  }).pipe(Effect.provide(memoryLayer))
)
