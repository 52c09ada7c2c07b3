/**
 * The fields of GitHub's webhook payloads that the handler reads
 * (https://docs.github.com/en/webhooks/webhook-events-and-payloads). Other fields are ignored.
 */
import { Schema } from "effect"

/** An id of GitHub: a number in payloads, text in the database. */
const Id = Schema.transform(Schema.Int.pipe(Schema.positive()), Schema.String, {
  strict: true,
  decode: String,
  encode: Number
})

/** An instant in ISO 8601, or in epoch seconds, which one event uses. */
const Instant = Schema.Union(
  Schema.DateTimeUtc,
  Schema.transform(Schema.Int.pipe(Schema.between(0, 8.64e12)), Schema.DateTimeUtcFromNumber, {
    strict: true,
    decode: (seconds) => seconds * 1000,
    encode: (millis) => millis / 1000
  })
)

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/** `owner/name`, for payloads without a separate owner. */
const FullName = Schema.String.pipe(Schema.pattern(/^[^/]+\/[^/]+$/))

const RepositoryRef = Schema.Struct({ id: Id, full_name: FullName, private: Schema.optional(Schema.Boolean) })
export type RepositoryRef = typeof RepositoryRef.Type

/** A user, an organization or an enterprise. An enterprise has a slug, and neither a login nor a type. */
const Account = Schema.Struct({
  id: Id,
  login: nullable(Schema.NonEmptyString),
  slug: nullable(Schema.NonEmptyString),
  type: nullable(Schema.String)
}).pipe(
  Schema.filter(
    ({ login, slug }) => typeof (login ?? slug) === "string" || { path: ["login"], message: "must be present" }
  )
)
export type Account = typeof Account.Type

const Installation = Schema.Struct({
  id: Id,
  account: Account,
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

const installationRef = Schema.optional(Schema.Struct({ id: Id }))

export const OrganizationPayload = Schema.Struct({
  action: Schema.String,
  organization: Account,
  installation: installationRef
})

export const InstallationTargetPayload = Schema.Struct({
  action: Schema.String,
  account: Account,
  installation: installationRef
})

const Repository = Schema.Struct({
  id: Id,
  full_name: FullName,
  private: Schema.optional(Schema.Boolean),
  default_branch: Schema.optional(Schema.NonEmptyString),
  archived: Schema.optional(Schema.Boolean),
  html_url: nullable(Schema.NonEmptyString),
  updated_at: nullable(Instant)
})

export type ReportedRepository = typeof Repository.Type

export const RepositoryPayload = Schema.Struct({ action: Schema.String, repository: Repository })

const Ticket = Schema.Struct({
  id: Id,
  number: Schema.NonNegativeInt,
  title: Schema.String,
  state: Schema.Literal("open", "closed"),
  html_url: nullable(Schema.NonEmptyString),
  created_at: nullable(Instant),
  updated_at: Instant,
  closed_at: nullable(Instant)
})
/** The fields that issues and pull requests have. */
export type Ticket = typeof Ticket.Type

const repository = Schema.Struct({ id: Id })

export const IssuesPayload = Schema.Struct({
  action: Schema.String,
  issue: Ticket,
  repository,
  changes: Schema.optional(
    Schema.Struct({
      /** The transferred issue in its new repository. */
      old_issue: nullable(Schema.Struct({ id: Id })),
      /** The transferred issue in its old repository. */
      new_issue: Schema.optional(Ticket),
      new_repository: Schema.optional(repository)
    })
  )
})

const Branch = Schema.Struct({ ref: Schema.NonEmptyString, sha: Schema.NonEmptyString })

export const PullRequestPayload = Schema.Struct({
  action: Schema.String,
  pull_request: Schema.Struct({
    ...Ticket.fields,
    draft: Schema.optional(Schema.Boolean),
    merged_at: nullable(Instant),
    head: Branch,
    base: Branch
  }),
  repository
})
