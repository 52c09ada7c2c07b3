/**
 * The example payloads of GitHub (https://github.com/octokit/webhooks) run through the inbox. They are real payloads of
 * github.com and of releases of GitHub Enterprise Server.
 */
import { describe, expect, it } from "@effect/vitest"
import { GitHub, GitHubWebhooks, IssueWorkflows, Source, WebhookInbox } from "@sealant/db"
import { Effect, Layer, Option, Schema, TestClock } from "effect"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { JsonObject } from "../../src/sql/json.js"
import { memoryLayer } from "../support/database.js"
import { shell } from "../support/lists.js"
import { sampled } from "../support/volume.js"

const layer = Layer.provideMerge(Layer.mergeAll(GitHub.layer, Source.layer, IssueWorkflows.layer), memoryLayer)

const decodeExamples = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Array(Schema.Struct({ name: Schema.String, examples: Schema.Array(JsonObject) })))
)

/** The examples of one version of GitHub, as event and payload. */
const examplesOf = (version: string) =>
  decodeExamples(
    readFileSync(createRequire(import.meta.url).resolve(`@octokit/webhooks-examples/${version}/index.json`), "utf8")
  ).flatMap(({ examples, name }) => examples.map((payload) => ({ eventType: name, payload })))

const versions: ReadonlyArray<readonly [version: string, count: number]> = [
  ["api.github.com", 329],
  ["ghes-31", 49],
  ["ghes-32", 49],
  ["ghes-33", 50],
  ["ghes-34", 124],
  ["ghes-35", 125]
]

type Example = ReturnType<typeof examplesOf>[number]

/** Processes the examples in their order. Returns the outcome of each, by event and action. */
const deliver = (prefix: string, examples: ReadonlyArray<Example>) =>
  Effect.gen(function* () {
    const inbox = yield* WebhookInbox
    return yield* Effect.forEach(examples, ({ eventType, payload }, index) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        yield* inbox.receive({ deliveryId: `${prefix}-${index}`, eventType, payload })
        const ended = Option.getOrThrow(yield* inbox.process({ workerId: "worker" }, GitHubWebhooks.handler))
        const reason = Option.getOrElse(ended.errorMessage, () => "")
        return { event: `${eventType}.${String(payload["action"])}`, status: ended.status, reason }
      })
    )
  })

const isEnded = ({ status }: { readonly status: string }) => status === "processed" || status === "ignored"

const inEmptyDatabase = sampled(versions, versions.length)

describe.each(versions)("the example payloads of %s", (version, count) => {
  const examples = examplesOf(version)

  it.effect.runIf(inEmptyDatabase.some(([name]) => name === version))(
    "end as processed or ignored in an empty database",
    () =>
      Effect.gen(function* () {
        expect(examples).toHaveLength(count)
        const outcomes = yield* deliver("empty", examples)
        expect(outcomes.filter((outcome) => !isEnded(outcome))).toEqual([])
      }).pipe(Effect.provide(layer))
  )

  it.effect("end as processed or ignored in a database that contains their repositories", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2030-01-01"))
      yield* shell(
        `INSERT INTO repositories (id, provider, external_id, owner, name, created_at, updated_at)
        SELECT 'repo-' || value, 'github', value, 'stored', value, 0, 0 FROM json_each(?1)`,
        repositoriesOf(examples)
      )
      const outcomes = yield* deliver("first", examples)
      expect(outcomes.filter((outcome) => !isEnded(outcome))).toEqual([])
      const processed = outcomes.filter(({ status }) => status === "processed").map(({ event }) => event)
      expect(processed).toEqual(
        expect.arrayContaining(["installation.deleted", "issues.edited", "pull_request.opened"])
      )
      const again = yield* deliver("again", sampled(examples, 5))
      expect(again.filter((outcome) => !isEnded(outcome))).toEqual([])
    }).pipe(Effect.provide(layer))
  )
})

const decodeRepository = Schema.decodeUnknownOption(Schema.Struct({ repository: Schema.Struct({ id: Schema.Int }) }))

/** GitHub's ids of the repositories in the examples, as a JSON array of texts. */
const repositoriesOf = (examples: ReadonlyArray<Example>) =>
  JSON.stringify([
    ...new Set(
      examples.flatMap(({ payload }) =>
        Option.toArray(Option.map(decodeRepository(payload), ({ repository }) => String(repository.id)))
      )
    )
  ])
