/**
 * The schema of the result of each method of each service. Streams have the schema of an array of their items.
 */
import {
  Account,
  AccountRepo,
  BuildEnvironment,
  ControlPlaneEvent,
  ControlPlaneEvents,
  EncryptionKey,
  GitHubInstallation,
  GitHubInstallationRepo,
  GitHubInstallationRepository,
  GitHubInstallationRepositoryRepo,
  GitHubInstallationUserGrant,
  GitHubWebhookDelivery,
  GitHubWebhookDeliveryRepo,
  Issue,
  IssuePullRequestLink,
  IssueRepo,
  IssueWorkflow,
  IssueWorkflowExecution,
  IssueWorkflowExecutionArtifact,
  IssueWorkflowExecutionDiffFile,
  IssueWorkflowExecutionEvent,
  IssueWorkflowExecutionPullRequestLink,
  IssueWorkflowExecutionRepo,
  IssueWorkflowExecutionSummary,
  IssueWorkflowExecutionValidationResult,
  IssueWorkflowLifecycle,
  IssueWorkflowRepo,
  PackageResolutionCacheEntry,
  PackageResolutionCacheRepo,
  Page,
  Profile,
  ProfileRepo,
  ProfileRevision,
  PullRequest,
  PullRequestRepo,
  Repository,
  RepositoryProfile,
  RepositoryProfileLink,
  RepositoryProfileRepo,
  RepositoryProfileRevision,
  RepositoryRepo,
  Row,
  RuntimeTeardown,
  RuntimeTeardownRepo,
  Sandbox,
  SandboxAttempt,
  SandboxAttemptLink,
  SandboxAttemptRepo,
  SandboxAttemptSnapshot,
  SandboxLifecycle,
  SandboxRepo,
  SandboxRuntimeInstance,
  SandboxRuntimeInstanceRepo,
  Secret,
  SecretRepo,
  SecretVault,
  SecretVersion,
  SecretVersionMetadata,
  Session,
  SessionRepo,
  SshKey,
  SshKeyRepo,
  User,
  UserRepo,
  Verification,
  VerificationRepo,
  WebhookInbox,
  WorkspaceBuildJob,
  BuildQueuePause,
  BuildQueueRepo,
  OwnerLimits,
  OwnerLimitsRepo,
  WorkspaceBuildJobRepo
} from "@sealant/db"
import { EnsuredUser } from "@sealant/db/auth"
import {
  ClaimedJob,
  EffectiveLimits,
  EnqueuedJob,
  JobCount,
  JobDetailView,
  JobResult,
  JobState,
  JobView,
  QueueLoad,
  QueueSummary,
  QueueStats,
  RedrivenJobs
} from "@sealant/db/build-job"
import { JournalActivity, JournalSearch, JournalState } from "@sealant/db/events"
import {
  ClaimedDelivery,
  DeliveryChange,
  DeliveryDetail,
  DeliverySummary,
  InboxStats,
  RecordedDelivery,
  SyncResult
} from "@sealant/db/github"
import {
  AppendedEvents,
  ExecutionDetail,
  FinishedExecution,
  OpenedWorkflow,
  ReportedExecution,
  StartedExecution,
  WorkflowDetail,
  WorkflowSupervision,
  WorkflowView
} from "@sealant/db/issue-workflow"
import { PackageResolution } from "@sealant/db/payloads"
import {
  CreatedProfileRevision,
  CreatedRepositoryProfileRevision,
  Environment,
  ProfileRevisionGraph,
  RepositoryProfileRevisionGraph
} from "@sealant/db/profile"
import {
  Build,
  ClaimedTeardown,
  Launch,
  SandboxAttemptId,
  SandboxAttemptView,
  SandboxDetail,
  SandboxStats,
  SandboxView,
  Supervision,
  TeardownStats
} from "@sealant/db/sandbox"
import { KeyRotation, KeyStatus } from "@sealant/db/secret"
import { type Context, type Effect, Schema, type Stream } from "effect"

/** The result of a member of a service: of a method, an effect or a stream. */
type ResultOf<Member> = Member extends (...args: never) => infer Result
  ? ResultOf<Result>
  : Member extends Effect.Effect<infer A, infer _E, infer _R>
    ? A
    : Member extends Stream.Stream<infer A, infer _E, infer _R>
      ? ReadonlyArray<A>
      : never

type Schemas<Service> = { readonly [Method in keyof Service]: Schema.Schema.AnyNoContext }

/** The schemas themselves if each accepts every result of its method, else `never`. */
type Accepting<Service, Table extends Schemas<Service>> = {
  readonly [Method in keyof Table]: Method extends keyof Service
    ? ResultOf<Service[Method]> extends Schema.Schema.Type<Table[Method]>
      ? Table[Method]
      : never
    : never
}

const resultsOf = <Id, Service, const Table extends Schemas<Service>>(
  _service: Context.Tag<Id, Service>,
  schemas: Table & Accepting<Service, Table>
): Readonly<Record<string, Schema.Schema.AnyNoContext>> => schemas

/** The methods that find a row by its id. */
const found = <A, I>(row: Schema.Schema<A, I>) => ({ findById: Schema.Option(row), getById: row })

const execution = Row(IssueWorkflowExecution)
const installation = Row(GitHubInstallation)
const installed = Row(GitHubInstallationRepository)
const delivery = Row(GitHubWebhookDelivery)
const job = Row(WorkspaceBuildJob)
const profile = Row(Profile)
const repositoryProfile = Row(RepositoryProfile)
const sandbox = Row(Sandbox)
const attempt = Row(SandboxAttempt)
const runtime = Row(SandboxRuntimeInstance)
const teardown = Row(RuntimeTeardown)
const secret = Row(Secret)
const workflow = Row(IssueWorkflow)

/** A secret value, which has no JSON form. */
export const revealed = Schema.RedactedFromSelf(Schema.String)

/** The result of a method that does not return. */
export const endless = Schema.Unknown.annotations({ identifier: "Endless" })

/** Methods whose rows have secret fields. Their schemas are `json` variants, which omit these fields. */
export const omitsSecrets = /^(AccountRepo|SessionRepo|VerificationRepo)\.|^SecretRepo\.findVersion$/

export const resultSchemas: Readonly<Record<string, Readonly<Record<string, Schema.Schema.AnyNoContext>>>> = {
  UserRepo: resultsOf(UserRepo, {
    create: Row(User),
    ensure: EnsuredUser,
    ...found(Row(User)),
    findByEmail: Schema.Option(Row(User)),
    update: Row(User),
    delete: Schema.Void
  }),
  SessionRepo: resultsOf(SessionRepo, {
    create: Session.json,
    findByToken: Schema.Option(Session.json),
    listForUser: Page(Session.json),
    extend: Session.json,
    revoke: Schema.Void,
    revokeAllForUser: Schema.Number,
    purgeExpired: Schema.Number
  }),
  AccountRepo: resultsOf(AccountRepo, {
    link: Account.json,
    find: Schema.Option(Account.json),
    listForUser: Page(Account.json),
    updateTokens: Account.json,
    unlink: Schema.Void
  }),
  VerificationRepo: resultsOf(VerificationRepo, {
    create: Verification.json,
    consume: Schema.Option(Verification.json),
    purgeExpired: Schema.Number
  }),
  RepositoryRepo: resultsOf(RepositoryRepo, {
    upsert: Row(Repository),
    ...found(Row(Repository)),
    findByExternalId: Schema.Option(Row(Repository)),
    findByOwnerAndName: Schema.Option(Row(Repository)),
    list: Page(Row(Repository)),
    delete: Schema.Void
  }),
  GitHubInstallationRepo: resultsOf(GitHubInstallationRepo, {
    upsert: installation,
    ...found(installation),
    findByExternalId: Schema.Option(installation),
    listForUser: Page(installation),
    listActive: Page(installation),
    setStatus: installation,
    grantToUser: Row(GitHubInstallationUserGrant),
    revokeGrant: Row(GitHubInstallationUserGrant),
    userHasGrant: Schema.Boolean,
    listGrants: Page(Row(GitHubInstallationUserGrant))
  }),
  GitHubInstallationRepositoryRepo: resultsOf(GitHubInstallationRepositoryRepo, {
    sync: SyncResult,
    apply: SyncResult,
    upsert: installed,
    update: Schema.Number,
    markDeleted: Schema.Number,
    listForInstallation: Page(installed),
    listForUser: Page(installed),
    mayUse: Schema.Boolean,
    findById: Schema.Option(installed),
    findByExternalId: Schema.Option(installed),
    findByRepositoryId: Schema.Option(installed)
  }),
  GitHubWebhookDeliveryRepo: resultsOf(GitHubWebhookDeliveryRepo, {
    record: RecordedDelivery,
    claimNext: Schema.Option(ClaimedDelivery),
    claimById: Schema.Option(ClaimedDelivery),
    heartbeat: delivery,
    markProcessed: delivery,
    markIgnored: delivery,
    markFailed: delivery,
    release: delivery,
    getByLease: delivery,
    redeliver: delivery,
    listSummaries: Page(Row(DeliverySummary)),
    getDetail: Row(DeliveryDetail),
    listChanges: Schema.Array(DeliveryChange),
    reapExpired: Schema.Array(delivery),
    ...found(delivery),
    findByDeliveryId: Schema.Option(delivery),
    list: Page(delivery),
    stream: Schema.Array(delivery),
    stats: InboxStats
  }),
  WebhookInbox: resultsOf(WebhookInbox, {
    receive: RecordedDelivery,
    process: Schema.Option(delivery),
    run: endless
  }),
  IssueRepo: resultsOf(IssueRepo, {
    upsert: Row(Issue),
    markTransferred: Row(Issue),
    ...found(Row(Issue)),
    findByNumber: Schema.Option(Row(Issue)),
    findByExternalId: Schema.Option(Row(Issue)),
    markDeleted: Schema.Option(Row(Issue)),
    list: Page(Row(Issue)),
    stream: Schema.Array(Row(Issue)),
    linkPullRequest: Row(IssuePullRequestLink),
    listPullRequests: Page(Row(IssuePullRequestLink))
  }),
  PullRequestRepo: resultsOf(PullRequestRepo, {
    upsert: Row(PullRequest),
    ...found(Row(PullRequest)),
    findByNumber: Schema.Option(Row(PullRequest)),
    findByExternalId: Schema.Option(Row(PullRequest)),
    list: Page(Row(PullRequest)),
    stream: Schema.Array(Row(PullRequest))
  }),
  IssueWorkflowRepo: resultsOf(IssueWorkflowRepo, {
    create: workflow,
    ...found(workflow),
    list: Page(workflow),
    stream: Schema.Array(workflow),
    succeed: workflow,
    fail: workflow,
    cancel: workflow,
    archive: workflow,
    unarchive: workflow
  }),
  IssueWorkflowExecutionRepo: resultsOf(IssueWorkflowExecutionRepo, {
    create: execution,
    ...found(execution),
    findBySandboxAttemptId: Schema.Option(execution),
    list: Page(execution),
    stream: Schema.Array(execution),
    start: execution,
    succeed: execution,
    fail: execution,
    cancel: execution,
    linkSandboxAttempt: execution,
    appendEvents: AppendedEvents,
    listEvents: Page(Row(IssueWorkflowExecutionEvent)),
    tailEvents: Schema.Array(Row(IssueWorkflowExecutionEvent)),
    replaceValidationResults: Schema.Array(Row(IssueWorkflowExecutionValidationResult)),
    replaceDiffFiles: Schema.Array(Row(IssueWorkflowExecutionDiffFile)),
    insertArtifacts: Schema.Array(Row(IssueWorkflowExecutionArtifact)),
    listArtifacts: Page(Row(IssueWorkflowExecutionArtifact)),
    streamArtifacts: Schema.Array(Row(IssueWorkflowExecutionArtifact)),
    getArtifact: Row(IssueWorkflowExecutionArtifact),
    upsertSummary: Row(IssueWorkflowExecutionSummary),
    linkPullRequest: Row(IssueWorkflowExecutionPullRequestLink),
    listPullRequests: Page(Row(IssueWorkflowExecutionPullRequestLink)),
    getDetail: ExecutionDetail
  }),
  IssueWorkflowLifecycle: resultsOf(IssueWorkflowLifecycle, {
    open: OpenedWorkflow,
    startExecution: StartedExecution,
    beginExecution: execution,
    report: ReportedExecution,
    finish: FinishedExecution,
    cancel: workflow,
    supervise: WorkflowSupervision,
    getDetail: WorkflowDetail,
    list: Page(WorkflowView),
    listAll: Page(WorkflowView)
  }),
  PackageResolutionCacheRepo: resultsOf(PackageResolutionCacheRepo, {
    get: Schema.Option(Row(PackageResolutionCacheEntry)),
    peek: Schema.Option(Row(PackageResolutionCacheEntry)),
    upsert: Row(PackageResolutionCacheEntry),
    getOrResolve: PackageResolution,
    purgeExpired: Schema.Number
  }),
  ProfileRepo: resultsOf(ProfileRepo, {
    create: profile,
    ...found(profile),
    findBySlug: Schema.Option(profile),
    list: Page(profile),
    update: profile,
    archive: profile,
    unarchive: profile,
    createRevision: CreatedProfileRevision,
    listRevisions: Page(Row(ProfileRevision)),
    getRevision: ProfileRevisionGraph,
    getActiveRevision: ProfileRevisionGraph,
    setActiveRevision: profile
  }),
  BuildEnvironment: resultsOf(BuildEnvironment, { resolve: Environment }),
  RepositoryProfileRepo: resultsOf(RepositoryProfileRepo, {
    create: repositoryProfile,
    ...found(repositoryProfile),
    list: Page(repositoryProfile),
    update: repositoryProfile,
    archive: repositoryProfile,
    unarchive: repositoryProfile,
    createRevision: CreatedRepositoryProfileRevision,
    listRevisions: Page(Row(RepositoryProfileRevision)),
    getRevision: RepositoryProfileRevisionGraph,
    getActiveRevision: RepositoryProfileRevisionGraph,
    setActiveRevision: repositoryProfile,
    replaceLinks: Schema.Array(Row(RepositoryProfileLink))
  }),
  SecretRepo: resultsOf(SecretRepo, {
    ...found(secret),
    findByName: Schema.Option(secret),
    list: Page(secret),
    listVersions: Page(Row(SecretVersionMetadata)),
    findVersion: Schema.Option(SecretVersion.json),
    rename: secret,
    archive: secret,
    unarchive: secret,
    delete: Schema.Void
  }),
  SecretVault: resultsOf(SecretVault, {
    create: secret,
    put: Row(SecretVersionMetadata),
    reveal: revealed,
    list: Page(secret),
    listVersions: Page(Row(SecretVersionMetadata)),
    archive: secret,
    rotateKeys: KeyRotation,
    streamRotation: Schema.Array(KeyRotation),
    keyStatus: Schema.Array(KeyStatus),
    retireKey: Row(EncryptionKey)
  }),
  SshKeyRepo: resultsOf(SshKeyRepo, {
    create: Row(SshKey),
    ...found(Row(SshKey)),
    findByFingerprint: Schema.Option(Row(SshKey)),
    list: Page(Row(SshKey)),
    rename: Row(SshKey),
    archive: Row(SshKey),
    unarchive: Row(SshKey)
  }),
  SandboxRepo: resultsOf(SandboxRepo, {
    create: sandbox,
    ...found(sandbox),
    getForOwner: sandbox,
    findByAttemptId: Schema.Option(sandbox),
    list: Page(sandbox),
    stream: Schema.Array(sandbox),
    rename: sandbox,
    setStatus: sandbox,
    linkAttempt: sandbox,
    listAttemptLinks: Page(Row(SandboxAttemptLink)),
    archive: sandbox,
    unarchive: sandbox,
    delete: Schema.Void
  }),
  SandboxAttemptRepo: resultsOf(SandboxAttemptRepo, {
    createQueued: attempt,
    ...found(attempt),
    listByIds: Schema.ReadonlyMap({ key: SandboxAttemptId, value: attempt }),
    list: Page(attempt),
    stream: Schema.Array(attempt),
    markRunning: attempt,
    markSucceeded: attempt,
    markFailed: attempt,
    markCancelled: attempt,
    requestStop: attempt,
    setSnapshot: Row(SandboxAttemptSnapshot),
    findSnapshot: Schema.Option(Row(SandboxAttemptSnapshot))
  }),
  SandboxRuntimeInstanceRepo: resultsOf(SandboxRuntimeInstanceRepo, {
    upsert: runtime,
    findByAttemptId: Schema.Option(runtime),
    claimInspections: Schema.Array(runtime),
    listByAttemptIds: Schema.ReadonlyMap({ key: SandboxAttemptId, value: runtime }),
    listByStatus: Page(runtime)
  }),
  RuntimeTeardownRepo: resultsOf(RuntimeTeardownRepo, {
    claimNext: Schema.Option(ClaimedTeardown),
    claimById: Schema.Option(ClaimedTeardown),
    heartbeat: teardown,
    release: teardown,
    ...found(teardown),
    listByStatus: Page(teardown),
    stats: TeardownStats
  }),
  SandboxLifecycle: resultsOf(SandboxLifecycle, {
    launch: Launch,
    findLaunch: Schema.Option(Launch),
    retry: Launch,
    rebuild: Launch,
    beginBuild: Build,
    publishBuild: job,
    finishBuild: job,
    failBuild: job,
    recordRuntime: runtime,
    endRuntime: runtime,
    finishTeardown: teardown,
    failTeardown: teardown,
    cancel: sandbox,
    stop: sandbox,
    extend: sandbox,
    touch: Schema.Void,
    delete: Schema.Void,
    getDetail: SandboxDetail,
    list: Page(SandboxView),
    listAll: Page(SandboxView),
    stats: SandboxStats,
    listAttempts: Page(SandboxAttemptView),
    timeline: Page(Row(ControlPlaneEvent)),
    supervise: Supervision
  }),
  OwnerLimitsRepo: resultsOf(OwnerLimitsRepo, {
    get: EffectiveLimits,
    set: Row(OwnerLimits),
    getDefaults: EffectiveLimits,
    setDefaults: EffectiveLimits,
    list: Page(Row(OwnerLimits))
  }),
  BuildQueueRepo: resultsOf(BuildQueueRepo, {
    pause: Row(BuildQueuePause),
    resume: Schema.Void,
    listPauses: Schema.Array(Row(BuildQueuePause)),
    load: Schema.Array(QueueLoad),
    summarize: QueueSummary,
    drift: Schema.Number,
    repair: Schema.Number
  }),
  WorkspaceBuildJobRepo: resultsOf(WorkspaceBuildJobRepo, {
    enqueue: EnqueuedJob,
    enqueueMany: Schema.Array(EnqueuedJob),
    succeedMany: Schema.Array(JobResult),
    failMany: Schema.Array(JobResult),
    setPriority: job,
    nextDueAt: Schema.Option(Schema.DateTimeUtc),
    claimNext: Schema.Option(ClaimedJob),
    claimBatch: Schema.Array(ClaimedJob),
    claimById: Schema.Option(ClaimedJob),
    heartbeat: job,
    succeed: job,
    fail: job,
    release: job,
    getByLease: job,
    cancel: job,
    failQueued: job,
    cancelLatestByAttemptId: Schema.Option(Row(JobState)),
    redrive: job,
    markSettled: Schema.Void,
    reapExpired: Schema.Array(job),
    ...found(job),
    findByIdempotencyKey: Schema.Option(job),
    findLatestByPlanHash: Schema.Option(job),
    findLatestByAttemptId: Schema.Option(job),
    findLatestStateByAttemptId: Schema.Option(Row(JobState)),
    listLatestByAttemptIds: Schema.ReadonlyMap({ key: SandboxAttemptId, value: job }),
    listByStatus: Page(job),
    list: Page(JobView),
    count: JobCount,
    getDetail: JobDetailView,
    redriveMany: RedrivenJobs,
    stats: QueueStats
  }),
  ControlPlaneEvents: resultsOf(ControlPlaneEvents, {
    journal: JournalState,
    list: Schema.Array(Row(ControlPlaneEvent)),
    read: Schema.Array(Row(ControlPlaneEvent)),
    tail: Schema.Array(Row(ControlPlaneEvent)),
    search: JournalSearch,
    getByPosition: Row(ControlPlaneEvent),
    activity: JournalActivity,
    position: Schema.Number,
    acknowledge: Schema.Number,
    recordBackup: Schema.Void,
    consume: endless
  })
}
