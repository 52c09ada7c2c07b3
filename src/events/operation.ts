/**
 * What every lifecycle operation is wrapped in: one transaction, one span, and the errors that it declares.
 */
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import * as Database from "../Database.js"
import type { Actor } from "./ControlPlaneEvent.js"
import type { Lease } from "../build-job/WorkspaceBuildJob.js"
import { operations } from "../sql/operations.js"
import { journaled } from "./journal.js"

type Attributes = Readonly<Record<string, string | number | boolean>>

/** Wraps the operations of one lifecycle service. `entity` is the name that its errors give to a row. */
export const operationsOf = (service: string, entity: string) => {
  const { input, read } = operations(service, entity)
  return {
    input,
    read,

    /**
     * Runs `body` in one transaction on `sql`, under a span named after the operation, and keeps the journal of it.
     * `actor` is who does it where nobody else was said to.
     */
    operation: (sql: SqlClient.SqlClient, name: string, attributes?: Attributes, actor: Actor = system) => {
      const wrap = read(name, attributes)
      const journal = journaled(sql, name, actor)
      return <A, E>(body: Effect.Effect<A, E>) =>
        wrap(Effect.provideService(Database.transaction(journal(body)), SqlClient.SqlClient, sql))
    }
  }
}

const system: Actor = { type: "system" }

/** What is done under a lease its worker does. */
export const workerOf = ({ workerId }: Lease): Actor => ({ type: "worker", id: workerId })

/** What cannot happen inside the transaction: the row was made or read under the same write lock a moment ago. */
export const impossible = <Tag extends string>(...tags: ReadonlyArray<Tag>) =>
<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, Extract<E, { readonly _tag: Tag }>>> =>
  Effect.catchIf(effect, (error): error is Extract<E, { readonly _tag: Tag }> => isTagged(error, tags), Effect.die)

const isTagged = (error: unknown, tags: ReadonlyArray<string>): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" && tags.includes(error._tag)

/** What a defect is, in a word: its message may hold values. */
export const kindOf = (defect: unknown): string => defect instanceof Error ? defect.name : typeof defect
