/**
 * The wrapper of lifecycle operations: one transaction, one span, the declared errors, and the events of the journal.
 */
import { SqlClient } from "@effect/sql"
import { Effect, Predicate } from "effect"
import * as Database from "../Database.js"
import type { Actor } from "./ControlPlaneEvent.js"
import type { Lease } from "../build-job/WorkspaceBuildJob.js"
import { operations } from "../sql/operations.js"
import { withEvents } from "./journal.js"

type Attributes = Readonly<Record<string, string | number | boolean>>

/** Builds the wrappers for one lifecycle service. Its errors name a row by `entity`. */
export const operationsOf = (service: string, entity: string) => {
  const { decodeInput, traced } = operations(service, entity)
  return {
    decodeInput,
    traced,

    /**
     * Runs `body` in one transaction on `sql`, under a span named after the operation, and appends its events to the
     * journal. `actor` is the actor of these events unless `actingAs` sets another one.
     */
    operation: (sql: SqlClient.SqlClient, name: string, attributes?: Attributes, actor: Actor = system) => {
      const wrap = traced(name, attributes)
      const journal = withEvents(sql, name, actor)
      return <A, E>(body: Effect.Effect<A, E>) =>
        wrap(Effect.provideService(Database.transaction(journal(body)), SqlClient.SqlClient, sql))
    }
  }
}

const system: Actor = { type: "system" }

/** Returns the worker of a lease as the actor. */
export const workerOf = ({ workerId }: Lease): Actor => ({ type: "worker", id: workerId })

/**
 * Turns errors that cannot occur inside the transaction into defects: the row was created or read before, under the
 * same write lock.
 */
export const impossible =
  <Tag extends string>(...tags: ReadonlyArray<Tag>) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, Extract<E, { readonly _tag: Tag }>>> =>
    Effect.catchIf(
      effect,
      (error): error is Extract<E, { readonly _tag: Tag }> => tags.some((tag) => Predicate.isTagged(error, tag)),
      Effect.die
    )
