/**
 * A process that opens damaged copies of a database one after the other, and reports the result of each. A separate process,
 * because the engine might end it. It reports each copy before it opens it.
 */
import { Effect, Either } from "effect"
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import * as Maintenance from "../../src/Maintenance.js"
import { request } from "../sandbox/lifecycle/support.js"
import { writeReport } from "../support/children.js"
import { type Random, randomOf } from "./torture/random.js"
import { onFile, owner } from "./torture/database.js"

/** The damaged part: a whole page in use, the file header, a page header, or any byte. */
export const damages = ["page", "header", "page header", "byte"] as const
export type Damage = (typeof damages)[number]

/** The argument of the process, in JSON. */
export interface CorruptionOptions {
  readonly source: string
  readonly copy: string
  readonly seed: number
  /** The first copy. The last one is `count`. */
  readonly from: number
  readonly count: number
}

/** A line that the process writes. */
export type CorruptionReport =
  | {
      readonly type: "found"
      readonly damage: Damage
      /** The error of a refused opening. */
      readonly opening?: string
      /** The result of the check: no problem, damage, or its error. */
      readonly check?: "ok" | "damaged" | string
      /** The results of reading and writing: `ok`, or an error. */
      readonly use?: ReadonlyArray<string>
    }
  | { readonly type: "next"; readonly number: number }
  | { readonly type: "done" }

const options: CorruptionOptions = JSON.parse(process.argv[2] ?? "{}")
const pageSize = 4096

const damageFile = (bytes: Buffer, damage: Damage, random: Random) => {
  const page = pageSize * (1 + random.below(bytes.length / pageSize - 1))
  switch (damage) {
    case "page":
      for (let offset = 0; offset < pageSize; offset++) bytes[page + offset] = random.below(256)
      return
    case "header":
      // The magic bytes, or the fields with size and schema number.
      bytes[random.pick([0, 5, 16, 18, 44]) ?? 0] = 0x7f
      return
    case "page header":
      bytes[page] = 0x55
      return
    case "byte":
      bytes[random.below(bytes.length)] = random.below(256)
  }
}

const nameOf = (error: { readonly _tag: string }) =>
  "reason" in error && "cause" in error ? `${error._tag} ${String(error.reason)} ${String(error.cause)}` : error._tag

const outcome = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: nameOf, onSuccess: () => "ok" })

const use = Effect.gen(function* () {
  const lifecycle = yield* SandboxLifecycle
  return yield* Effect.all([
    outcome(lifecycle.list({ ownerUserId: owner, limit: 100 })),
    outcome(lifecycle.launch({ ...request, ownerUserId: owner, name: "new" })),
    outcome(lifecycle.supervise({ limit: 100, runtimeDeadline: 0 }))
  ])
})

for (let number = options.from; number < options.count; number++) {
  const damage = damages[number % damages.length] ?? "byte"
  writeReport<CorruptionReport>({ type: "next", number })
  copyFileSync(options.source, options.copy)
  const bytes = readFileSync(options.copy)
  damageFile(bytes, damage, randomOf(options.seed + number))
  writeFileSync(options.copy, bytes)
  const found = await Effect.runPromise(
    Effect.either(
      Effect.all({
        check: Effect.match(Maintenance.integrityCheck, {
          onFailure: nameOf,
          onSuccess: ({ ok }) => (ok ? "ok" : "damaged")
        }),
        use
      }).pipe(Effect.provide(onFile({ filePath: options.copy, keys: 1, busyTimeoutMs: 100 })))
    )
  )
  writeReport<CorruptionReport>({
    type: "found",
    damage,
    ...Either.match(found, { onLeft: ({ message }) => ({ opening: message }), onRight: (told) => told })
  })
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${options.copy}${suffix}`, { force: true })
}
writeReport<CorruptionReport>({ type: "done" })
