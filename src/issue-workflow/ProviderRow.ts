/**
 * Schemas that issues and pull requests share: the identities of a row at its provider.
 */
import { Schema } from "effect"
import { Count, Name } from "../sql/columns.js"
import { SourceProvider } from "../payloads/enumerations.js"
import { RepositoryId } from "../source/Repository.js"

/** The provider of requests without `provider`. Equals the default of the column. */
export const defaultProvider: SourceProvider = "github"

const provider = Schema.optionalWith(SourceProvider, { default: () => defaultProvider })

/** A row by its number in its repository. `provider` defaults to github. */
export const ByNumber = Schema.Struct({ provider, repositoryId: RepositoryId, number: Count })

/** A row by the id that its provider assigned. `provider` defaults to github. */
export const ByExternalId = Schema.Struct({ provider, externalId: Name })

/** Makes a field of an upsert optional: an omitted field keeps its value, null clears it. */
export const clearable = <A, I, R>(field: Schema.Schema<A, I, R>) => Schema.optional(Schema.NullOr(field))

/** The identities by which an upsert finds its row, with its current repository and number. */
export const providerIdentity = {
  provider: Schema.optional(SourceProvider),
  externalId: clearable(Name),
  repositoryId: RepositoryId,
  number: Count
}
