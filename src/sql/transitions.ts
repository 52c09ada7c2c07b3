/**
 * State machines: one map of transitions for each status column. The guard in SQL, the error, the diagram and the
 * exhaustive test are derived from it. Triggers of the migrations enforce the same map for all other writers.
 */

/** The states of a row, and the transitions between them. */
export interface StateMachine<S extends string> {
  readonly states: ReadonlyArray<S>
  readonly transitions: Readonly<Record<S, ReadonlyArray<S>>>
  /** Returns the states that have a transition to `to`. */
  readonly sources: (to: S) => ReadonlyArray<S>
  /** Returns whether there is a transition from `from` to `to`. */
  readonly allows: (from: S, to: S) => boolean
}

/** Builds a state machine from its map of transitions. */
export const stateMachine = <S extends string>(
  states: ReadonlyArray<S>,
  transitions: Readonly<Record<S, ReadonlyArray<S>>>
): StateMachine<S> => {
  const allows = (from: S, to: S) => transitions[from].includes(to)
  return { states, transitions, allows, sources: (to) => states.filter((from) => allows(from, to)) }
}

/** Returns whether an attempt, a job or an execution has not ended. */
export const isActive = ({ status }: { readonly status: string }): boolean =>
  status === "queued" || status === "running"
