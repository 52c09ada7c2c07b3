/**
 * State machines: one declared map per status column. The guard in SQL, the error, the diagram and the exhaustive test
 * all come from it; the triggers of the migrations hold the same map against everybody else.
 */

/** Where a row can go from each state. */
export interface StateMachine<S extends string> {
  readonly states: ReadonlyArray<S>
  readonly transitions: Readonly<Record<S, ReadonlyArray<S>>>
  /** The states from which `to` can be entered. */
  readonly sources: (to: S) => ReadonlyArray<S>
  readonly allows: (from: S, to: S) => boolean
}

export const stateMachine = <S extends string>(
  states: ReadonlyArray<S>,
  transitions: Readonly<Record<S, ReadonlyArray<S>>>
): StateMachine<S> => {
  const allows = (from: S, to: S) => transitions[from].includes(to)
  return { states, transitions, allows, sources: (to) => states.filter((from) => allows(from, to)) }
}
