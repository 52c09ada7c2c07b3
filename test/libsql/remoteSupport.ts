/**
 * Helpers of the tests of the remote client: a server with configurable limits and faults.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Layer, type Scope } from "effect"
import * as Database from "../../src/Database.js"
import { openEmptyPeer, openPeer } from "../support/database.js"
import type { Fault, ServerOptions, Peer, FaultInjection } from "../support/hrana/Peer.js"

/** Runs `use` on a database of its own, on a server that it gets to hold. */
export const onPeer = <A, E, R>(
  use: (peer: Peer) => Effect.Effect<A, E, R>,
  serverOptions: Partial<ServerOptions> = {},
  options: Omit<Database.RemoteOptions, "url"> = {}
) => onDatabase(openPeer(serverOptions), use, options)

/** The same on a database that was never migrated. */
export const onEmptyPeer = <A, E, R>(use: (peer: Peer) => Effect.Effect<A, E, R>) =>
  onDatabase(openEmptyPeer(), use, {})

const onDatabase = <A, E, R>(
  open: Effect.Effect<Peer, never, Scope.Scope>,
  use: (peer: Peer) => Effect.Effect<A, E, R>,
  options: Omit<Database.RemoteOptions, "url">
) =>
  Effect.scoped(
    Effect.flatMap(open, (peer) =>
      Effect.provide(use(peer), Layer.orDie(Database.layerRemote({ url: peer.url, ...options })))
    )
  )

export const run = (text: string, ...params: ReadonlyArray<unknown>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text, params))

/** Applies the fault to the first request with a statement that matches. */
export const once = (pattern: RegExp, fault: Fault): FaultInjection => {
  let met = false
  return (statements) => {
    if (met || !statements.some((statement) => pattern.test(statement))) return undefined
    met = true
    return fault
  }
}

/** Injects the fault during an effect, and fails if it did not occur. */
export const during =
  (peer: { faultInjection: FaultInjection | undefined }, faultInjection: FaultInjection) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let came = false
      peer.faultInjection = (statements) => {
        const fault = faultInjection(statements)
        came ||= fault !== undefined
        return fault
      }
      return effect.pipe(
        Effect.ensuring(
          Effect.sync(() => {
            peer.faultInjection = undefined
          })
        ),
        Effect.tap(() => (came ? Effect.void : Effect.dieMessage("the fault did not occur")))
      )
    })

/** How many requests an effect takes. */
export const requestsOf = <A, E, R>(peer: { readonly requests: number }, effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const before = peer.requests
    return Effect.map(effect, () => peer.requests - before)
  })
