/**
 * The processing of one event of GitHub: its handled actions, the form of its payload, and the effects.
 */
import { Effect, Either, Option, ParseResult, Schema } from "effect"
import type { Repository } from "../source/Repository.js"
import { RepositoryRepo } from "../source/RepositoryRepo.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import { WebhookFailure, type WebhookHandler, WebhookOutcome } from "./WebhookHandler.js"

/** An event, with its handled actions. */
export interface WebhookEvent<E, R> {
  readonly actions: ReadonlySet<string>
  readonly handle: WebhookHandler<E, R>
}

/**
 * Builds an event. Only payloads of handled actions are decoded, because those of other actions may have another form:
 * the issue of `pinned` has no state.
 */
export const webhookEvent = <A, I, E, R>(
  actions: Iterable<string>,
  payload: Schema.Schema<A, I>,
  handle: (payload: A, delivery: GitHubWebhookDelivery) => Effect.Effect<WebhookOutcome, E, R>
): WebhookEvent<E | WebhookFailure, R> => ({
  actions: new Set(actions),
  handle: (delivery) => Effect.flatMap(payloadOf(delivery, payload), (decoded) => handle(decoded, delivery))
})

/**
 * Decodes the fields of the payload that are used. An invalid payload is not retried. The error contains the paths of
 * the invalid fields, never their values.
 */
const payloadOf = <A, I>(
  delivery: GitHubWebhookDelivery,
  schema: Schema.Schema<A, I>
): Effect.Effect<A, WebhookFailure> =>
  Either.mapLeft(ParseResult.decodeUnknownEither(schema)(Option.getOrUndefined(delivery.payload)), (issue) => {
    const paths = ParseResult.ArrayFormatter.formatIssueSync(issue).map(
      ({ path }) => path.map(String).join(".") || "the payload"
    )
    return new WebhookFailure({ errorMessage: `invalid payload: ${[...new Set(paths)].join(", ")}`, retryable: false })
  })

const decodeAction = Schema.decodeUnknownOption(Schema.Struct({ action: Schema.String }))

/** Returns the action of a delivery, if the payload has one. */
export const actionOf = ({ payload }: GitHubWebhookDelivery): Option.Option<string> =>
  Option.map(Option.flatMap(payload, decodeAction), ({ action }) => action)

export const superseded = WebhookOutcome.ignored("newer information is already stored")
export const unhandled = (name: string) => WebhookOutcome.ignored(`not handled: ${name}`)

/** Returns the stored repository with GitHub's id. */
export const findRepository = (externalId: string) =>
  Effect.flatMap(RepositoryRepo, (repositories) => repositories.findByExternalId({ provider: "github", externalId }))

/** Handles a delivery if its repository is stored, and ignores it otherwise. */
export const whenStored = <E, R>(
  externalId: string,
  handle: (repository: Repository) => Effect.Effect<WebhookOutcome, E, R>
) =>
  Effect.flatMap(
    findRepository(externalId),
    (repository): Effect.Effect<WebhookOutcome, E, R> =>
      Option.isSome(repository)
        ? handle(repository.value)
        : Effect.succeed(WebhookOutcome.ignored("the repository is not known"))
  )
