import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Environment, migratedFile, runHere, tamper } from "./support.js"

const deliveriesText = `
  INSERT INTO github_webhook_deliveries (id, delivery_id, status, event_type, action, installation_external_id, payload, received_at,
    available_at, updated_at, processed_at, error_message, attempt_count, lease_token, lease_outcome)
  VALUES
    ('row-1', 'guid-1', 'received', 'push', NULL, NULL, '{"token":"hunter2"}', 1, 1, 1, NULL, NULL, 0, 0, NULL),
    ('row-2', 'guid-2', 'failed', 'issues', 'opened', '77', '{"token":"hunter2"}', 2, 2, 2, 2, 'it broke', 5, 5, 'failed'),
    ('row-3', 'guid-3', 'processed', 'issues', 'closed', '77', NULL, 3, 3, 3, 3, NULL, 1, 1, 'processed')`

const prepared = Effect.gen(function* () {
  const { environment, filePath } = yield* migratedFile
  tamper(filePath, deliveriesText)
  return environment
})

/** The output of a command. It must not contain payloads. */
const run = (args: ReadonlyArray<string>, environment: Environment) =>
  Effect.map(runHere(["deliveries", ...args], environment), (outcome) => {
    expect(JSON.stringify(outcome)).not.toContain("hunter2")
    return outcome
  })

it.scopedLive("deliveries list and show print deliveries without their payloads", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    const list = yield* run(["list"], environment)
    expect(list).toMatchObject({ code: 0, stderr: "" })
    expect(list.stdout.split("\n").map((line) => line.split(/ {2,}/)[0])).toEqual(["ID", "row-3", "row-2", "row-1", ""])
    expect(list.stdout).toMatch(/^row-2 {2}failed +\S+ \S+ +5\/5 +issues +opened +77 +guid-2$/m)
    expect(list.stdout).not.toContain("it broke")

    const ids = (text: string) => (JSON.parse(text) as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id)
    expect(ids((yield* run(["list", "--json", "--status", "failed"], environment)).stdout)).toEqual(["row-2"])
    expect(ids((yield* run(["list", "--json", "--limit", "1"], environment)).stdout)).toEqual(["row-3"])
    expect((yield* run(["list", "--status", "ignored"], environment)).stdout).toBe("no deliveries\n")

    expect((yield* run(["show", "row-2"], environment)).stdout).toMatch(/^errorMessage +it broke$/m)
    expect(JSON.parse((yield* run(["show", "row-2", "--json"], environment)).stdout)).toMatchObject({
      id: "row-2",
      deliveryId: "guid-2",
      status: "failed",
      receivedAt: "1970-01-01T00:00:00.002Z"
    })
  })
)

it.scopedLive("deliveries stats counts the received deliveries by installation", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    yield* run(["redeliver", "row-2", "row-3"], environment)
    const { stdout } = yield* run(["stats"], environment)
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ["INSTALLATION", "RECEIVED"],
      ["77", "2"],
      ["-", "1"],
      [""]
    ])
    expect(JSON.parse((yield* run(["stats", "--json", "--limit", "1"], environment)).stdout)).toMatchObject([
      { installation: "77", received: 2 }
    ])
    tamper(environment.DATABASE_FILE_PATH, "DELETE FROM github_webhook_deliveries")
    expect((yield* run(["stats"], environment)).stdout).toBe("no deliveries wait\n")
  })
)

it.scopedLive("doctor reports an order of the inbox that differs from its deliveries", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    tamper(environment.DATABASE_FILE_PATH, "DELETE FROM webhook_inbox_flows")
    const { stdout } = yield* runHere(["doctor", "--json"], environment)
    expect(JSON.parse(stdout).findings).toContainEqual({
      check: "inbox",
      outcome: "problem",
      text: "the order of the webhook inbox differs from the deliveries of 1 installation; start a worker, which repairs it"
    })
  })
)

it.scopedLive("deliveries redeliver receives ended deliveries again", () =>
  Effect.gen(function* () {
    const environment = yield* prepared
    expect(yield* run(["redeliver", "row-2", "row-3"], environment)).toEqual({
      code: 0,
      stdout: "received row-2\nreceived row-3\n",
      stderr: ""
    })
    const { stdout } = yield* run(["show", "row-2", "--json"], environment)
    expect(JSON.parse(stdout)).toMatchObject({ status: "received", attemptCount: 0 })
    tamper(
      environment.DATABASE_FILE_PATH,
      `UPDATE github_webhook_deliveries SET status = 'processing', claimed_at = 1, worker_id = 'w', lease_expires_at = 9000000000000, attempt_count = 1, lease_token = 1,
        lease_outcome = NULL WHERE id = 'row-1'`
    )
    const refusals: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
      [["redeliver", "none"], 1, "GitHubWebhookDelivery none was not found"],
      [["redeliver", "row-1"], 1, "GitHubWebhookDelivery row-1 cannot go from processing to received"],
      [["show", "none"], 1, "GitHubWebhookDelivery none was not found"],
      [["redeliver"], 2, "Missing argument <id> (see sealant-db deliveries redeliver --help)"]
    ]
    for (const [args, code, message] of refusals) {
      expect(yield* run(args, environment)).toMatchObject({ code, stderr: expect.stringContaining(message) })
    }
  })
)
