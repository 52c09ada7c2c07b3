/**
 * State machines: one map of transitions for each status column. The guard in SQL, the error, the diagram and the
 * exhaustive test are derived from it. Triggers of the migrations enforce the same map for all other writers.
 */

/** A rule of a state that is not final: who moves the row on, and until when. `docs/states.md` lists them. */
export type Wait = {
  /** The condition on the row, if the state has several rules. */
  readonly when?: string
  /** The programs or operations that move the row on. */
  readonly by: string
} & (
  | {
      readonly deadline: string
      /** The operation that acts after the deadline, and the result. */
      readonly after: string
    }
  /** The reason why the row may stay in the state for any time. */
  | { readonly noDeadline: string }
)

/** The rules of each state. Only final states have none. */
export type Waits<S extends string> = Readonly<Partial<Record<S, ReadonlyArray<Wait>>>>

/** The states of a row, and the transitions between them. */
export interface StateMachine<S extends string> {
  readonly states: ReadonlyArray<S>
  readonly transitions: Readonly<Record<S, ReadonlyArray<S>>>
  readonly waits: Waits<S>
  /** Returns the states that have a transition to `to`. */
  readonly sources: (to: S) => ReadonlyArray<S>
  /** Returns whether there is a transition from `from` to `to`. */
  readonly allows: (from: S, to: S) => boolean
}

/** Builds a state machine from its map of transitions and the rules of its states. */
export const stateMachine = <S extends string>(
  states: ReadonlyArray<S>,
  transitions: Readonly<Record<S, ReadonlyArray<S>>>,
  waits: Waits<S>
): StateMachine<S> => {
  const allows = (from: S, to: S) => transitions[from].includes(to)
  return { states, transitions, waits, allows, sources: (to) => states.filter((from) => allows(from, to)) }
}

/** Returns whether an attempt, a job or an execution has not ended. */
export const isActive = ({ status }: { readonly status: string }): boolean =>
  status === "queued" || status === "running"
