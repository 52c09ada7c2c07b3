/**
 * A process that opens damaged copies of a database one after the other, and reports the result of each. A separate process,
 * because the engine might end it. It reports each copy before it opens it.
 */
import { Effect, Either } from "effect"
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { SandboxLifecycle } from "../../src/sandbox/SandboxLifecycle.js"
import * as Maintenance from "../../src/Maintenance.js"
import { request } from "../sandbox/lifecycle/support.js"
import { tell } from "../support/children.js"
import { type Random, randomOf } from "./torture/random.js"
import { onFile, owner } from "./torture/world.js"

/** The damaged part: a whole page in use, the file header, a page header, or any byte. */
export const damages = ["page", "header", "page header", "byte"] as const
export type Damage = (typeof damages)[number]

/** The argument of the process, in JSON. */
export interface CorruptionOrders {
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

const orders: CorruptionOrders = JSON.parse(process.argv[2] ?? "{}")
const pageSize = 4096

const spoil = (bytes: Buffer, damage: Damage, random: Random) => {
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

for (let number = orders.from; number < orders.count; number++) {
  const damage = damages[number % damages.length] ?? "byte"
  tell<CorruptionReport>({ type: "next", number })
  copyFileSync(orders.source, orders.copy)
  const bytes = readFileSync(orders.copy)
  spoil(bytes, damage, randomOf(orders.seed + number))
  writeFileSync(orders.copy, bytes)
  const found = await Effect.runPromise(
    Effect.either(
      Effect.all({
        check: Effect.match(Maintenance.integrityCheck, {
          onFailure: nameOf,
          onSuccess: ({ ok }) => (ok ? "ok" : "damaged")
        }),
        use
      }).pipe(Effect.provide(onFile({ filePath: orders.copy, keys: 1, busyTimeoutMs: 100 })))
    )
  )
  tell<CorruptionReport>({
    type: "found",
    damage,
    ...Either.match(found, { onLeft: ({ message }) => ({ opening: message }), onRight: (told) => told })
  })
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${orders.copy}${suffix}`, { force: true })
}
tell<CorruptionReport>({ type: "done" })
