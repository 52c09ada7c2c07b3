/**
 * Repositories of source code, as a provider reports them.
 */
import { Schema } from "effect"
import { enumeration, Flag, idOf, Label, Name, optional, OptionalTimestamp, Timestamp } from "../sql/columns.js"
import * as Model from "../sql/model.js"
import { table } from "../sql/table.js"
import { sourceProviders } from "../payloads/enumerations.js"

/** The id of a repository in this database: `repo_` and a UUIDv7 if this package generated it. */
export const RepositoryId = idOf("RepositoryId")
export type RepositoryId = typeof RepositoryId.Type

/** The host of a repository. Hosts other than GitHub and GitLab are `generic`. */
export const RepositoryProvider = enumeration(...sourceProviders)
export type RepositoryProvider = typeof RepositoryProvider.Type

/** One row of `repositories`. */
export class Repository extends Model.Class<Repository>("Repository")(
  {
    id: RepositoryId,
    provider: RepositoryProvider,
    /** The provider's id, if it is known. It stays the same when the repository is renamed or transferred. */
    externalId: optional(Name),
    /** Unique with the name at one provider, ignoring case. */
    owner: Name,
    /** Ends in `~` and a UUID if another repository has taken the name over: see `RepositoryRepo`. */
    name: Name,
    defaultBranch: Name,
    url: optional(Label),
    isArchived: Flag,
    /** True if every user may use it while no installation contains it: see `RepositoryAccess`. */
    openToAll: Flag,
    /** The instant of the last sync with the provider. A sync that changes nothing else keeps `updatedAt`. */
    lastSyncedAt: OptionalTimestamp,
    createdAt: Timestamp,
    updatedAt: Timestamp
  },
  table({
    name: "repositories",
    service: "RepositoryRepo",
    purpose:
      "The source-code repositories that sandboxes, issues and profiles refer to, as their providers report them."
  })
) {}

// 37 characters are appended to a name that is taken over; the result must fit `Name`.
const longestName = 255

/** The name of a repository without its owner: 1 to 255 characters. */
export const RepositoryName = Name.pipe(
  Schema.filter((name) => name.length <= longestName, { message: () => `must be up to ${longestName} characters` })
)

const instant = Schema.NullOr(Schema.DateTimeUtcFromSelf)

/**
 * The current state of a repository. Absent fields stay unchanged; `null` clears a field. Defaults of a new row:
 * `provider` generic, `defaultBranch` main, `isArchived` and `openToAll` false.
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

/** A repository by the provider's id. */
export const RepositoryByExternalId = Schema.Struct({ provider: RepositoryProvider, externalId: Name })

/** A repository by its name at the provider. */
export const RepositoryByName = Schema.Struct({ provider: RepositoryProvider, owner: Name, name: Name })
