/**
 * `sealant-db secrets`: state and rotation of the encryption keys. Prints neither keys nor secret values.
 */
import * as Command from "@effect/cli/Command"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { KeyRing } from "../secret/KeyRing.js"
import { SecretVault } from "../secret/SecretVault.js"
import { layerCurrent } from "./database.js"
import { columns, counted, json, printJson, printLines, withProgress } from "./output.js"

const layer = Layer.provideMerge(SecretVault.layer, Layer.merge(KeyRing.layerConfig, layerCurrent))

const status = Command.make("status", { json }, ({ json }) =>
  Effect.gen(function* () {
    const keys = yield* (yield* SecretVault).keyStatus
    const rows = keys.map(({ held, key: { id, status }, versions }) => ({ key: id, status, held, versions }))
    if (json) return yield* printJson(rows)
    if (rows.length === 0) return yield* Console.log("no encryption keys")
    yield* printLines(
      columns([
        ["key", "status", "versions", "here"],
        ...rows.map(({ held, key, status, versions }) => [key, status, String(versions), held ? "yes" : "no"])
      ])
    )
  }).pipe(Effect.provide(layer))
).pipe(
  Command.withDescription(
    "Lists the keys by name: status, number of secret versions and account tokens, and whether SEALANT_ENCRYPTION_KEYS contains the key."
  )
)

const rotate = Command.make("rotate", { json }, ({ json }) =>
  Effect.gen(function* () {
    const vault = yield* SecretVault
    const last = yield* withProgress(json, (report) =>
      vault.streamRotation().pipe(
        Stream.tap(({ rewrapped, total }) => report(`${rewrapped} of ${total}`, Option.none())),
        Stream.runLast
      )
    )
    const { keyId, rewrapped, skipped, total } = yield* Effect.orDie(last)
    if (json) return yield* printJson({ keyId, total, rewrapped, skipped })
    yield* Console.log(`rewrapped ${counted(rewrapped, "value")} with key ${keyId}`)
    if (skipped > 0) {
      yield* Console.log(
        `skipped ${counted(skipped, "value")}: the key is not in SEALANT_ENCRYPTION_KEYS (see \`sealant-db secrets status\`), ` +
          `or the predecessor encrypted ${skipped === 1 ? "it" : "them"}`
      )
    }
  }).pipe(Effect.provide(layer))
).pipe(
  Command.withDescription(
    "Activates the first key of SEALANT_ENCRYPTION_KEYS, and rewraps all secret versions and account tokens with it, in batches while programs run. " +
      "Encrypts tokens that are stored as plain text. " +
      "Can be stopped and run again."
  )
)

export const secrets = Command.make("secrets").pipe(
  Command.withDescription("Shows and rotates the keys that encrypt secrets."),
  Command.withSubcommands([status, rotate])
)
