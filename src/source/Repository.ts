/**
 * A repository of source code, as a provider knows it.
 */
import { Schema } from "effect"
import { enumeration, Flag, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { sourceProviders } from "../payloads/enumerations.js"

/** The id of a repository, `repo_` and a UUIDv7 when it is ours. */
export const RepositoryId = idOf("RepositoryId")
export type RepositoryId = typeof RepositoryId.Type

/** Who hosts a repository. What is neither GitHub nor GitLab is `generic`. */
export const RepositoryProvider = enumeration(...sourceProviders)
export type RepositoryProvider = typeof RepositoryProvider.Type

/** One row of `repositories`. */
export class Repository extends Model.Class<Repository>("Repository")({
  id: RepositoryId,
  provider: RepositoryProvider,
  /** The provider's own id, which stays when the repository is renamed or transferred; where it is known. */
  externalId: optional(Name),
  /** Unique with the name at one provider, whatever the case of its letters. */
  owner: Name,
  /** Ends in `~` and a UUID where another repository has taken it over: see `RepositoryRepo`. */
  name: Name,
  defaultBranch: Name,
  url: optional(Label),
  isArchived: Flag,
  /** True if every user may use it while no installation contains it: see `RepositoryAccess`. */
  openToAll: Flag,
  /** When the provider last confirmed it. Does not move `updatedAt`. */
  lastSyncedAt: OptionalTimestamp,
  createdAt: Timestamp,
  updatedAt: Timestamp
}, table({
  name: "repositories",
  service: "RepositoryRepo",
  purpose: "The repositories of source code that sandboxes, issues and profiles refer to, as their providers know them."
})) {}

// A name that is taken over gets 37 characters more, and is to be a name still.
const longestName = 255

/** The name of a repository without its owner: 1 to 255 characters. */
export const RepositoryName = Name.pipe(
  Schema.filter((name) => name.length <= longestName, { message: () => `must be up to ${longestName} characters` })
)

const instant = Schema.NullOr(Schema.DateTimeUtcFromSelf)

/**
 * What is known of a repository now. What is left out stays as it is, and null clears. For a new row, `provider` left
 * out means generic, `defaultBranch` main, `isArchived` and `openToAll` false.
 */
export const UpsertRepository = Schema.Struct({
  id: Schema.optional(RepositoryId),
  provider: Schema.optional(RepositoryProvider),
  externalId: Schema.optional(Schema.NullOr(Name)),
  owner: Name,
  name: RepositoryName,
  defaultBranch: Schema.optional(Name),
  url: Schema.optional(Schema.NullOr(Name)),
  isArchived: Schema.optional(Schema.Boolean),
  openToAll: Schema.optional(Schema.Boolean),
  lastSyncedAt: Schema.optional(instant)
})

/** A repository by the provider's own id. */
export const RepositoryByExternalId = Schema.Struct({ provider: RepositoryProvider, externalId: Name })

/** A repository by its name at the provider. */
export const RepositoryByName = Schema.Struct({ provider: RepositoryProvider, owner: Name, name: Name })
