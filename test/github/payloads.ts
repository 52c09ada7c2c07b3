/**
 * Deliveries of GitHub for the tests of its handler, and the rows that they lead to.
 */
import { GitHub, GitHubWebhooks, IssueWorkflows, Source, WebhookInbox } from "@sealant/db"
import { Effect, Layer, Option, TestClock } from "effect"
import { overDatabases } from "../support/database.js"
import { shell } from "../support/lists.js"

const services = Layer.mergeAll(GitHub.layer, Source.layer, IssueWorkflows.layer)
export const layers = overDatabases(services)
export type Services = Layer.Layer.Success<typeof layers.memory>

export const account = { id: 1, login: "acme", type: "Organization" }
export const ref = (id: number, name = `r${id}`) => ({ id, full_name: `acme/${name}`, private: true })
export const about = (more: object = {}) => ({
  id: 7,
  account,
  target_type: "Organization",
  permissions: { contents: "read" },
  repository_selection: "selected",
  ...more
})
export const instant = (seconds: number) => new Date(seconds * 1000).toISOString()

/** An event of GitHub. */
export interface Input {
  readonly event: string
  readonly payload: Readonly<Record<string, unknown>>
}

export const installation = (action: string, more: object = {}): Input => ({
  event: "installation",
  payload: { action, installation: about(), ...more }
})

export const changed = (added: ReadonlyArray<number>, removed: ReadonlyArray<number>): Input => ({
  event: "installation_repositories",
  payload: {
    action: "added",
    installation: about(),
    repositories_added: added.map((id) => ref(id)),
    repositories_removed: removed.map((id) => ref(id))
  }
})

export const issue = (action: string, seconds: number, more: object = {}): Input => ({
  event: "issues",
  payload: {
    action,
    issue: {
      id: 11,
      number: 3,
      title: "It breaks",
      state: "open",
      html_url: "https://github.com/acme/r1/issues/3",
      created_at: instant(1),
      updated_at: instant(seconds),
      closed_at: null,
      ...more
    },
    repository: { id: 1 }
  }
})

export const pull = (action: string, seconds: number, more: object = {}): Input => ({
  event: "pull_request",
  payload: {
    action,
    pull_request: {
      id: 12,
      number: 4,
      title: "Mend it",
      state: "open",
      html_url: null,
      created_at: instant(1),
      updated_at: instant(seconds),
      closed_at: null,
      draft: false,
      merged_at: null,
      head: { ref: "fix", sha: "abc" },
      base: { ref: "main", sha: "def" },
      ...more
    },
    repository: { id: 1 }
  }
})

export const renamed = (name: string, seconds: number): Input => ({
  event: "repository",
  payload: {
    action: "renamed",
    repository: {
      id: 1,
      full_name: `acme/${name}`,
      default_branch: "main",
      archived: false,
      html_url: `https://github.com/acme/${name}`,
      updated_at: instant(seconds)
    }
  }
})

let deliveries = 0

export const receive = ({ event, payload }: Input, deliveryId = `guid-${deliveries++}`) =>
  Effect.flatMap(WebhookInbox, (inbox) =>
    inbox.receive({
      deliveryId,
      eventType: event,
      action: String(payload["action"]),
      installationExternalId: "installation" in payload ? "7" : undefined,
      payload
    })
  )

/** Processes one delivery. Returns its status and the reason. */
export const process = Effect.gen(function* () {
  const inbox = yield* WebhookInbox
  const ended = yield* inbox.process({ workerId: "worker" }, GitHubWebhooks.handler)
  return Option.match(ended, {
    onNone: () => "none",
    onSome: ({ errorMessage, status }) =>
      Option.match(errorMessage, { onNone: () => status, onSome: (why) => `${status}: ${why}` })
  })
})

/** Receives and processes each event, a second after the previous one. */
export const deliver = (...events: ReadonlyArray<Input>) =>
  Effect.forEach(events, (one) => Effect.zipRight(TestClock.adjust("1 second"), Effect.zipRight(receive(one), process)))

export const known = Effect.gen(function* () {
  const installations = yield* shell(
    "SELECT status, account_login, suspended_at IS NOT NULL AS suspended FROM github_app_installations"
  )
  const sees = yield* shell(
    "SELECT full_name FROM github_installation_repositories WHERE removed_at IS NULL ORDER BY full_name"
  )
  const issues = yield* shell("SELECT title, state, closed_at FROM issues")
  const pulls = yield* shell("SELECT title, state, head_sha FROM pull_requests")
  return { installations, sees: sees.map((row) => Object.values(row)[0]), issues, pulls }
})
