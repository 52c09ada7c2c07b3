/**
 * Helpers of the tests on the real libSQL server.
 */
import { Effect, Layer, Redacted, type Scope } from "effect"
import { type KeyObject, sign } from "node:crypto"
import * as Database from "../../src/Database.js"
import { openEmptyNamespace, openNamespace } from "../support/database.js"
import type { Proxy } from "../support/sqld/Proxy.js"
import { Server, type ServerAddress } from "../support/sqld/Server.js"
import { sharedServer } from "../support/sqld/shared.js"

/** True if the server of the test run is not available; tests that need it are skipped. */
export const isMissing = sharedServer() === undefined

const shared = Effect.suspend(() => {
  const server = sharedServer()
  return server === undefined ? Effect.dieMessage("the test must be skipped without a server") : Effect.succeed(server)
})

type Options = Omit<Database.RemoteOptions, "url">

const onDatabase = <A, E, R>(
  open: Effect.Effect<Proxy, never, Scope.Scope>,
  use: (proxy: Proxy) => Effect.Effect<A, E, R>,
  options: Options
) =>
  Effect.scoped(
    Effect.flatMap(open, (proxy) =>
      Effect.provide(use(proxy), Layer.orDie(Database.layerRemote({ url: proxy.url, ...options })))
    )
  )

/** Runs `use` on a migrated database of the real server. */
export const onServer = <A, E, R>(use: (proxy: Proxy) => Effect.Effect<A, E, R>, options: Options = {}) =>
  onDatabase(Effect.flatMap(shared, openNamespace), use, options)

/** Runs `use` on a database without tables on the real server. */
export const onEmptyServer = <A, E, R>(use: (proxy: Proxy) => Effect.Effect<A, E, R>, options: Options = {}) =>
  onDatabase(Effect.flatMap(shared, openEmptyNamespace), use, options)

/** A server of its own with one database, for a test that kills or configures it. */
export const ownServer = (args: ReadonlyArray<string> = []) =>
  Effect.acquireRelease(
    Effect.promise(() => Server.start(args)),
    (server) => Effect.promise(() => server.close())
  )

/** The client of a server of its own. */
export const clientOf = ({ httpPort }: ServerAddress, options: Options = {}) =>
  Layer.fresh(Layer.orDie(Database.layerRemote({ url: `http://127.0.0.1:${httpPort}`, ...options })))

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url")

/** Creates a token: https://www.rfc-editor.org/rfc/rfc7519 with the algorithm of https://www.rfc-editor.org/rfc/rfc8037 */
export const tokenOf = (claims: object, privateKey: KeyObject) => {
  const text = `${encoded({ alg: "EdDSA", typ: "JWT" })}.${encoded(claims)}`
  return Redacted.make(`${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`)
}
