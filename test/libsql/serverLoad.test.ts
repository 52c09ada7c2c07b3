/**
 * Many operations at once on the real server.
 */
import { expect, it } from "@effect/vitest"
import { Array, Effect } from "effect"
import * as Sandboxes from "../../src/sandbox/index.js"
import { ada, launch, request } from "../sandbox/lifecycle/support.js"
import { seedUser } from "../support/database.js"
import { run } from "./remoteSupport.js"
import { isMissing, onServer } from "./serverSupport.js"

it.live.skipIf(isMissing)("128 launches at once are all stored, without an error", () =>
  onServer((proxy) =>
    Effect.gen(function* () {
      yield* seedUser(ada)
      proxy.latencyMs = 5
      const before = proxy.requests
      const launches = Array.makeBy(128, (n) => launch({ ...request, name: `sandbox ${n}` }))
      const launched = yield* Effect.all(launches, { concurrency: "unbounded" })
      expect(new Set(launched.map(({ sandbox }) => sandbox.id)).size).toBe(128)
      expect(yield* run("SELECT count(*) AS n FROM oci_image_build_jobs")).toEqual([{ n: 128 }])
      // Waiting writes share requests.
      expect(proxy.requests - before).toBeLessThan(128)
    }).pipe(Effect.provide(Sandboxes.layer))
  )
)
