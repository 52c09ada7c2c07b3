/**
 * The events of installations of the app: `installation`, `installation_repositories`, and the renames of their
 * accounts. Their payloads have no instant, so the later one is the one that was received later.
 */
import { Array as Arr, type DateTime, Effect, Option } from "effect"
import { maxListItems } from "../sql/inputLimits.js"
import type { GitHubAccountType, GitHubInstallationStatus } from "./GitHubInstallation.js"
import { GitHubInstallationRepo } from "./GitHubInstallationRepo.js"
import { GitHubInstallationRepositoryRepo } from "./GitHubInstallationRepositoryRepo.js"
import type { GitHubWebhookDelivery } from "./GitHubWebhookDelivery.js"
import { type Later, laterThan, withoutLaterRemoved } from "./laterDeliveries.js"
import {
  type Account,
  type Installation,
  InstallationPayload,
  InstallationRepositoriesPayload,
  InstallationTargetPayload,
  OrganizationPayload,
  type RepositoryRef
} from "./payloads.js"
import { superseded, webhookEvent } from "./webhookEvent.js"
import { WebhookOutcome } from "./WebhookHandler.js"

/** The type of an account. The account of an enterprise has none, and counts as an organization. */
const accountTypeOf = (type: string | null | undefined): GitHubAccountType =>
  type === undefined || type === null || type === "Organization" || type === "Enterprise" ? "organization" : "user"

/** Returns the name of an account: the login, or the slug of an enterprise. */
const loginOf = ({ login, slug }: Account): string => login ?? slug ?? ""

const isSuspended = ({ suspended_at }: Installation) => suspended_at !== undefined && suspended_at !== null

/** Builds the fields of an installation, without its status. */
const fieldsOf = ({ account, created_at, id, permissions, repository_selection, target_type }: Installation) =>
  ({
    externalInstallationId: id,
    externalAccountId: account.id,
    accountLogin: loginOf(account),
    accountType: accountTypeOf(account.type),
    ...(typeof target_type === "string" ? { targetType: accountTypeOf(target_type) } : {}),
    ...(permissions === undefined ? {} : { permissions }),
    ...(repository_selection === undefined ? {} : { repositorySelection: repository_selection }),
    ...(created_at === undefined || created_at === null ? {} : { installedAt: created_at })
  }) as const

const syncedRepositoryOf = ({ full_name, id, private: isPrivate }: RepositoryRef) => {
  const [owner = "", name = ""] = full_name.split("/")
  return { externalRepositoryId: id, owner, name, ...(isPrivate === undefined ? {} : { isPrivate }) }
}

/** The handled actions of `installation`, and the status that each sets, if any. */
const statuses = new Map<string, { readonly status?: GitHubInstallationStatus }>(
  Object.entries({
    created: { status: "active" },
    unsuspend: { status: "active" },
    suspend: { status: "suspended" },
    deleted: { status: "deleted" },
    new_permissions_accepted: {}
  })
)

/** Returns whether a later delivery set the status of the installation. */
const hasLaterStatus = (later: Later) =>
  later.some(
    ({ action, eventType }) =>
      eventType === "installation" && Option.exists(action, (name) => statuses.get(name)?.status !== undefined)
  )

/** Events that report the login of the account only. */
const renames: ReadonlySet<string> = new Set(["organization", "installation_target"])

const isRename = ({ action, eventType }: Later[number]) => renames.has(eventType) && Option.contains(action, "renamed")

/** Returns whether a later delivery contained the complete installation. */
const isOutdated = (later: Later) => later.some(({ eventType }) => !renames.has(eventType))

/**
 * Stores the installation. Of a known one, only the status is stored if a later delivery contained the installation,
 * and the login is kept if a later delivery renamed the account.
 */
const storeInstallation = (
  reported: Installation,
  later: Later,
  status: { readonly status?: GitHubInstallationStatus; readonly suspendedAt?: DateTime.Utc }
) =>
  Effect.gen(function* () {
    const installations = yield* GitHubInstallationRepo
    const fields = fieldsOf(reported)
    const known = yield* installations.findByExternalId(reported.id)
    return yield* installations.upsert({
      ...Option.match(known, {
        onNone: () => ({ ...fields, ...(isSuspended(reported) ? ({ status: "suspended" } as const) : {}) }),
        onSome: ({ accountLogin, accountType }) =>
          isOutdated(later)
            ? { externalInstallationId: reported.id, accountLogin, accountType }
            : { ...fields, accountLogin: later.some(isRename) ? accountLogin : fields.accountLogin }
      }),
      ...status
    })
  })

/** Adds and removes repositories of an installation. A delivery may have more of them than one change. */
const changeRepositories = (
  delivery: GitHubWebhookDelivery,
  externalInstallationId: string,
  installationId: string,
  added: ReadonlyArray<RepositoryRef>,
  removed: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const repositories = yield* GitHubInstallationRepositoryRepo
    const change = (some: {
      readonly added?: ReadonlyArray<RepositoryRef>
      readonly removed?: ReadonlyArray<string>
    }) =>
      repositories.apply({
        installationId,
        added: (some.added ?? []).map(syncedRepositoryOf),
        removed: some.removed ?? [],
        at: delivery.receivedAt
      })
    const stillAdded = yield* withoutLaterRemoved(delivery, externalInstallationId, added)
    for (const piece of Arr.chunksOf(removed, maxListItems)) yield* change({ removed: piece })
    for (const piece of Arr.chunksOf(stillAdded, maxListItems)) yield* change({ added: piece })
  })

export const installation = webhookEvent(
  statuses.keys(),
  InstallationPayload,
  ({ action, installation, repositories = [] }, delivery) =>
    Effect.gen(function* () {
      const { status } = statuses.get(action) ?? {}
      const later = yield* laterThan(delivery, installation.id)
      // A deletion is always the final status: GitHub gives a new installation a new id.
      const setsStatus = status !== undefined && (action === "deleted" || !hasLaterStatus(later))
      if (isOutdated(later) && !setsStatus && action !== "created") return superseded
      const { suspended_at } = installation
      const { id: installationId, status: now } = yield* storeInstallation(installation, later, {
        ...(setsStatus ? { status } : {}),
        ...(setsStatus && action === "suspend" && suspended_at !== undefined && suspended_at !== null
          ? { suspendedAt: suspended_at }
          : {})
      })
      if (action === "created" && now !== "deleted") {
        yield* changeRepositories(delivery, installation.id, installationId, repositories, [])
      }
      return WebhookOutcome.processed
    })
)

export const installationRepositories = webhookEvent(
  ["added", "removed"],
  InstallationRepositoriesPayload,
  ({ installation, repositories_added, repositories_removed }, delivery) =>
    Effect.gen(function* () {
      // Stores an unknown installation, too: its `installation` delivery may be late, or was never sent.
      const { id: installationId } = yield* storeInstallation(
        installation,
        yield* laterThan(delivery, installation.id),
        {}
      )
      yield* changeRepositories(
        delivery,
        installation.id,
        installationId,
        repositories_added,
        repositories_removed.map(({ id }) => id)
      )
      return WebhookOutcome.processed
    })
)

/** Stores the new login of the account of an installation. */
const renameAccount = (delivery: GitHubWebhookDelivery, installationId: string | undefined, account: Account) =>
  Effect.gen(function* () {
    if (installationId === undefined) return WebhookOutcome.ignored("the delivery is of no installation")
    const installations = yield* GitHubInstallationRepo
    const known = yield* installations.findByExternalId(installationId)
    if (Option.isNone(known)) return WebhookOutcome.ignored("the installation is not known")
    const { accountType, externalAccountId } = known.value
    if (Option.exists(externalAccountId, (id) => id !== account.id)) {
      return WebhookOutcome.ignored("the account is not that of the installation")
    }
    const later = yield* laterThan(delivery, installationId)
    if (isOutdated(later) || later.some(isRename)) return superseded
    yield* installations.upsert({
      externalInstallationId: installationId,
      externalAccountId: account.id,
      accountLogin: loginOf(account),
      accountType
    })
    return WebhookOutcome.processed
  })

export const organization = webhookEvent(["renamed"], OrganizationPayload, ({ installation, organization }, delivery) =>
  renameAccount(delivery, installation?.id, organization)
)

export const installationTarget = webhookEvent(
  ["renamed"],
  InstallationTargetPayload,
  ({ account, installation }, delivery) => renameAccount(delivery, installation?.id, account)
)
