import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { IssueWorkflowLifecycle } from "@sealant/db"
import { Factories } from "@sealant/db/testing"
import { inControlPlane, migratedFile, runHere } from "./support.js"

/** A cancelled workflow of one owner with two executions, and an active one of another. */
const rows = Effect.gen(function* () {
  const lifecycle = yield* IssueWorkflowLifecycle
  const { id: repositoryId } = yield* Factories.make.repository({ openToAll: true })
  const issue = yield* Factories.make.issue({ repositoryId, number: 7, title: "Checkout fails" })
  yield* Factories.make.user({ id: "ada" })
  const { workflow } = yield* lifecycle.open({ issueId: issue.id, ownerUserId: "ada" })
  const start = lifecycle.startExecution({ issueWorkflowId: workflow.id })
  const first = yield* start
  yield* lifecycle.finish({ executionId: first.execution.id, outcome: "failed", reason: "no tests" })
  const second = yield* start
  yield* lifecycle.cancel({ id: workflow.id, reason: "a duplicate" })
  const other = yield* Factories.make.workflow({ ownerUserId: "grace" })
  return { workflowId: workflow.id, executions: [second.execution.id, first.execution.id], otherId: other.id }
})

const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  return { environment, ...(yield* inControlPlane(rows, filePath)) }
})

interface ListedPage {
  readonly items: ReadonlyArray<{ readonly workflow: { readonly id: string } }>
  readonly nextCursor?: string
}

it.scopedLive("workflows list prints the workflows of all owners in pages, with their newest execution", () =>
  Effect.gen(function* () {
    const { environment, otherId, workflowId } = yield* prepared
    const run = (...args: ReadonlyArray<string>) => runHere(["workflows", "list", ...args], environment)
    const list = yield* run()
    expect(list).toMatchObject({ code: 0, stderr: "" })
    expect(list.stdout.split("\n").map((line) => line.split(/ {2,}/)[0])).toEqual(["ID", otherId, workflowId, ""])
    expect(list.stdout).toMatch(
      new RegExp(`^${workflowId} {2}cancelled +\\S+ +ada +cancelled +#7 Checkout fails$`, "m")
    )

    const page = (...args: ReadonlyArray<string>) =>
      Effect.map(run("--json", ...args), ({ stdout }): ListedPage => JSON.parse(stdout))
    const ids = ({ items }: ListedPage) => items.map(({ workflow }) => workflow.id)
    expect(ids(yield* page("--owner", "ada"))).toEqual([workflowId])
    expect(ids(yield* page("--status", "active"))).toEqual([otherId])
    const first = yield* page("--limit", "1")
    const second = yield* page("--limit", "1", "--cursor", String(first.nextCursor))
    expect([...ids(first), ...ids(second), second.nextCursor]).toEqual([otherId, workflowId, undefined])
    expect((yield* run("--status", "completed")).stdout).toBe("no workflows\n")
  })
)

it.scopedLive("workflows show prints the issue, the executions and the events of a workflow", () =>
  Effect.gen(function* () {
    const { environment, executions, workflowId } = yield* prepared
    const { code, stderr, stdout } = yield* runHere(["workflows", "show", workflowId], environment)
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).toMatch(/^issue +#7 Checkout fails$/m)
    expect(stdout).toMatch(/^cancel reason +a duplicate$/m)
    const lines = stdout.split("\n")
    const found = lines.slice(lines.findIndex((line) => line.startsWith("EXECUTION")) + 1).slice(0, 2)
    expect(found.map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      [executions[0], "cancelled"],
      [executions[1], "failed"]
    ])
    const json: unknown = JSON.parse((yield* runHere(["workflows", "show", workflowId, "--json"], environment)).stdout)
    expect(json).toMatchObject({
      workflow: { id: workflowId, status: "cancelled" },
      issue: { number: 7 },
      executions: [{ id: executions[0] }, { id: executions[1], status: "failed" }],
      history: expect.arrayContaining([
        expect.objectContaining({ subjectId: executions[1], toState: "failed" }),
        expect.objectContaining({ subjectId: workflowId, toState: "cancelled" })
      ])
    })
    expect((yield* runHere(["workflows", "show", "none"], environment)).stderr).toBe(
      "sealant-db: IssueWorkflow none was not found\n"
    )
  })
)
