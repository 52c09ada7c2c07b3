/**
 * What every way to change a status must do, from every state: move along the declared transitions, answer with the row
 * where it is there already, and refuse the rest.
 */
import { expect } from "@effect/vitest"
import { type DateTime, Effect, TestClock } from "effect"
import type { StateMachine } from "../../src/sql/transitions.js"

interface Row<S extends string, Id extends string> {
  readonly id: Id
  readonly status: S
  readonly updatedAt: DateTime.Utc
}

/** One way to change a status. */
export interface Move<S extends string, Id extends string, A extends Row<S, Id>, R> {
  readonly entity: string
  readonly machine: StateMachine<S>
  readonly to: S
  readonly run: (id: Id) => Effect.Effect<A, unknown, R>
  /** A row in a state. */
  readonly rowIn: (status: S) => Effect.Effect<A, unknown, R>
  readonly getById: (id: Id) => Effect.Effect<A, unknown, R>
}

export const followsTransitions = <S extends string, Id extends string, A extends Row<S, Id>, R>({
  entity,
  getById,
  machine,
  rowIn,
  run,
  to
}: Move<S, Id, A, R>) =>
  Effect.gen(function* () {
    for (const from of machine.states) {
      const before = yield* rowIn(from)
      yield* TestClock.adjust("1 second")
      const outcome = yield* Effect.either(run(before.id))
      const after = yield* getById(before.id)
      if (from === to) {
        expect(outcome).toMatchObject({ _tag: "Right", right: before })
        expect(after).toEqual(before)
      } else if (machine.allows(from, to)) {
        expect(outcome).toMatchObject({ _tag: "Right", right: after })
        expect(after.status).toBe(to)
        expect(after.updatedAt.epochMillis).toBeGreaterThan(before.updatedAt.epochMillis)
      } else {
        expect(outcome).toMatchObject({
          _tag: "Left",
          left: { _tag: "InvalidTransition", entity, id: before.id, from, to }
        })
        expect(after).toEqual(before)
      }
    }
  })
