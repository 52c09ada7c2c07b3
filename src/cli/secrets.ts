/**
 * `sealant-db secrets`: which keys encrypt what, and their rotation. No key and no value is ever printed.
 */
import { Command } from "@effect/cli"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { KeyRing } from "../secret/KeyRing.js"
import { SecretVault } from "../secret/SecretVault.js"
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

const rotate = Command.make("rotate", { json }, ({ json }) =>
  Effect.gen(function*() {
    const vault = yield* SecretVault
    const last = yield* withProgress(json, (tell) =>
      vault.streamRotation().pipe(
        Stream.tap(({ rewrapped, total }) => tell(`${rewrapped} of ${total}`, Option.none())),
        Stream.runLast
      ))
    const { keyId, rewrapped, skipped, total } = yield* Effect.orDie(last)
    if (json) return yield* printJson({ keyId, total, rewrapped, skipped })
    yield* Console.log(`${counted(rewrapped, "version")} came under key ${keyId}`)
    if (skipped > 0) {
      yield* Console.log(
        `${counted(skipped, "version")} did not: the key is not in SEALANT_ENCRYPTION_KEYS (see secrets status), or they are of the predecessor`
      )
    }
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
