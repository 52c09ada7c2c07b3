/**
 * Renders `docs/states.md`: each state of each state machine, who moves a row on from it, and until when.
 */
import type { States, Table } from "../../src/sql/table.js"
import type { Wait } from "../../src/sql/transitions.js"

const isFinal = ({ transitions }: States, state: string) => (transitions[state] ?? []).length === 0

/** Returns the contradictions between the transitions of a machine and its rules. */
export const problemsOf = (name: string, machine: States): ReadonlyArray<string> =>
  machine.states.flatMap((state) => {
    const rules = machine.waits[state] ?? []
    if (isFinal(machine, state)) return rules.length === 0 ? [] : [`${name}: ${state} is final, and has a rule`]
    if (rules.length === 0) return [`${name}: ${state} is not final, and has no rule`]
    const ambiguous = rules.filter(({ when }) => when === undefined).length > 1
    return ambiguous ? [`${name}: ${state} has several rules without a condition`] : []
  })

const rowOf = (state: string, wait: Wait) => [
  `\`${state}\`${wait.when === undefined ? "" : `, ${wait.when}`}`,
  wait.by,
  ...("deadline" in wait ? [wait.deadline, wait.after] : [`none: ${wait.noDeadline}`, ""])
]

const rowsOf = (machine: States, state: string) =>
  isFinal(machine, state)
    ? [[`\`${state}\``, "final", "", ""]]
    : (machine.waits[state] ?? []).map((wait) => rowOf(state, wait))

const head = ["state", "moved on by", "deadline", "after the deadline"]

const section = (name: string, column: string, machine: States) => {
  const rows = machine.states.flatMap((state) => rowsOf(machine, state))
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)
  return ["", `## ${name}.${column}`, "", ...lines]
}

/** Renders the document. Throws if a state that is not final has no rule. */
export const render = (tables: ReadonlyArray<Table>): string => {
  const machines = tables.flatMap(({ name, states = {} }) =>
    Object.entries(states).map(([column, machine]) => ({ name, column, machine }))
  )
  const problems = machines.flatMap(({ column, machine, name }) => problemsOf(`${name}.${column}`, machine))
  if (problems.length > 0) throw new Error(problems.join("; "))
  return [
    "# States",
    "",
    "Made by `npm run docs:states` from the state machines of the row models: do not edit it.",
    "",
    "Each state of each state machine, who moves a row on from it, and its deadline. A state without a deadline has a reason.",
    "`SandboxLifecycle.supervise`, `IssueWorkflowLifecycle.supervise` and `GitHubWebhookDeliveryRepo.reapExpired` act after the",
    "deadlines; `Supervisor` calls them. Their rules are in [supervision.md](supervision.md). The transitions of each machine",
    "are in [schema.md](schema.md).",
    ...machines.flatMap(({ column, machine, name }) => section(name, column, machine)),
    ""
  ].join("\n")
}
