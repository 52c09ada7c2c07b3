/**
 * `sealant-db secrets`: which keys encrypt what, and their rotation. No key and no value is ever printed.
 */
import { Command, Options } from "@effect/cli"
import { Console, Effect, Layer, Option, Schema, Stream } from "effect"
import { KeyRing } from "../domain/secret/KeyRing.js"
import { SecretVault } from "../domain/secret/SecretVault.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const layer = Layer.provideMerge(SecretVault.layer, Layer.merge(KeyRing.layerConfig, layerCurrent))

const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function*() {
    const keys = yield* (yield* SecretVault).keyStatus
    const rows = keys.map(({ held, key: { id, status }, versions }) => ({ key: id, status, held, versions }))
    if (json) return yield* printJson(rows)
    if (rows.length === 0) return yield* Console.log("nothing was encrypted yet")
    yield* printLines(columns([
      ["key", "status", "versions", "here"],
      ...rows.map(({ held, key, status, versions }) => [key, status, String(versions), held ? "yes" : "no"])
    ]))
  }).pipe(Effect.provide(layer))).pipe(
  Command.withDescription("Shows each key by its name: whether it is active, how many versions are under it, and whether SEALANT_ENCRYPTION_KEYS has it.")
)

const batchSize = Options.integer("batch-size").pipe(
  Options.withSchema(Schema.Int.pipe(Schema.between(1, 1000, { message: () => "--batch-size must be a whole number from 1 to 1000" }))),
  Options.withDescription("How many versions a transaction rewraps, 1 to 1000; 100 when nothing is said."),
  Options.withDefault(100)
)

const rotate = Command.make("rotate", { batchSize, json }, ({ batchSize, json }) =>
  Effect.gen(function*() {
    const vault = yield* SecretVault
    const last = yield* withProgress(json, (tell) =>
      Stream.runFoldEffect(vault.streamRotation({ batchSize }), Option.none<{ readonly keyId: string; readonly rewrapped: number; readonly skipped: number; readonly total: number }>(), (_, done) =>
        Effect.as(tell(`${done.rewrapped} of ${done.total}`, Option.none()), Option.some(done))))
    if (Option.isNone(last)) return yield* Console.log("there was nothing to rotate")
    const { keyId, rewrapped, skipped, total } = last.value
    if (json) return yield* printJson({ keyId, rewrapped, skipped, total })
    yield* Console.log(`${counted(rewrapped, "version")} came under key ${keyId}`)
    if (skipped > 0) yield* Console.log(`${counted(skipped, "version")} could not: their keys are not in SEALANT_ENCRYPTION_KEYS, or they do not open (see secrets status)`)
  }).pipe(Effect.provide(layer))).pipe(
  Command.withDescription(
    "Makes the first key of SEALANT_ENCRYPTION_KEYS the active one, and brings all versions under it, in batches beside all programs. " +
      "Can be stopped and run again."
  )
)

export const secrets = Command.make("secrets").pipe(
  Command.withDescription("The keys that secrets are encrypted with: status, rotate."),
  Command.withSubcommands([status, rotate])
)
