/**
 * Of the payloads of GitHub's webhooks, the fields that are used here
 * (https://docs.github.com/en/webhooks/webhook-events-and-payloads). All else is let pass.
 */
import { Schema } from "effect"

/** An id of GitHub: a number there, text here. */
const Id = Schema.transform(Schema.Int.pipe(Schema.positive()), Schema.String, { strict: true, decode: String, encode: Number })

/** An instant: ISO 8601, but for one event in which it is in seconds. */
const Instant = Schema.Union(
  Schema.DateTimeUtc,
  Schema.transform(Schema.Int.pipe(Schema.between(0, 8.64e12)), Schema.DateTimeUtcFromNumber, { strict: true, decode: (s) => s * 1000, encode: (ms) => ms / 1000 })
)

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/** `owner/name`, as GitHub has it where it names no owner apart. */
const FullName = Schema.String.pipe(Schema.pattern(/^[^/]+\/[^/]+$/))

const RepositoryRef = Schema.Struct({ id: Id, full_name: FullName, private: Schema.optional(Schema.Boolean) })
export type RepositoryRef = typeof RepositoryRef.Type

const Installation = Schema.Struct({
  id: Id,
  account: Schema.Struct({ id: Id, login: Schema.NonEmptyString, type: Schema.String }),
  target_type: nullable(Schema.String),
  permissions: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  repository_selection: Schema.optional(Schema.Literal("all", "selected")),
  created_at: nullable(Instant),
  suspended_at: nullable(Instant)
})
export type Installation = typeof Installation.Type

export const InstallationPayload = Schema.Struct({
  action: Schema.String,
  installation: Installation,
  repositories: Schema.optional(Schema.Array(RepositoryRef))
})

export const InstallationRepositoriesPayload = Schema.Struct({
  action: Schema.String,
  installation: Installation,
  repositories_added: Schema.Array(RepositoryRef),
  repositories_removed: Schema.Array(Schema.Struct({ id: Id }))
})

const Repository = Schema.Struct({
  id: Id,
  full_name: FullName,
  default_branch: Schema.optional(Schema.NonEmptyString),
  archived: Schema.optional(Schema.Boolean),
  html_url: nullable(Schema.NonEmptyString),
  updated_at: nullable(Instant)
})

export const RepositoryPayload = Schema.Struct({ action: Schema.String, repository: Repository })

const ticket = {
  id: Id,
  number: Schema.NonNegativeInt,
  title: Schema.String,
  state: Schema.Literal("open", "closed"),
  html_url: nullable(Schema.NonEmptyString),
  created_at: nullable(Instant),
  updated_at: Instant,
  closed_at: nullable(Instant)
}

const repository = Schema.Struct({ id: Id })

export const IssuesPayload = Schema.Struct({ action: Schema.String, issue: Schema.Struct(ticket), repository })

const Branch = Schema.Struct({ ref: Schema.NonEmptyString, sha: Schema.NonEmptyString })

export const PullRequestPayload = Schema.Struct({
  action: Schema.String,
  pull_request: Schema.Struct({
    ...ticket,
    draft: Schema.optional(Schema.Boolean),
    merged_at: nullable(Instant),
    head: Branch,
    base: Branch
  }),
  repository
})
