/**
 * What issues and pull requests share: by what their provider knows them.
 */
import { Schema } from "effect"
import { Count, Name } from "../sql/columns.js"
import { SourceProvider } from "../payloads/enumerations.js"
import { RepositoryId } from "../source/Repository.js"

/** The provider of what was given without one, as the tables have it. */
export const defaultProvider: SourceProvider = "github"

const provider = Schema.optionalWith(SourceProvider, { default: () => defaultProvider })

/** The number that people call it by in its repository. `provider` left out means github. */
export const ByNumber = Schema.Struct({ provider, repositoryId: RepositoryId, number: Count })

/** The id that the provider gave it. `provider` left out means github. */
export const ByExternalId = Schema.Struct({ provider, externalId: Name })

/** A field that stays as it is when it is left out, and that null clears. */
export const clearable = <A, I, R>(field: Schema.Schema<A, I, R>) => Schema.optional(Schema.NullOr(field))

/** By what an upsert finds its row, and where the provider has it now. */
export const providerIdentity = {
  provider: Schema.optional(SourceProvider),
  externalId: clearable(Name),
  repositoryId: RepositoryId,
  number: Count
}
