/**
 * Schemas of the JSON documents that the control plane stores and exchanges. Depends only on `effect`, so it also runs
 * in browsers.
 */
export { formatGithubInstallationRepositoryRef, parseGithubInstallationRepositoryRef } from "./AuthRef.js"
export {
  BlueprintVersion,
  ConcreteOsFamily,
  DotfilesManager,
  DotfilesTarget,
  ExecutorId,
  GitRef,
  GitUrl,
  HarnessId,
  InputPurpose,
  LoginShell,
  OciRuntime,
  Persistence,
  Port,
  RuntimeAdapterId,
  Shell,
  SourceKind,
  SourceProvider,
  StringMap,
  TargetOsFamily,
  TargetOsMode,
  TargetRuntimeFamily,
  TargetRuntimeMode,
  Text,
  UrlString
} from "./enumerations.js"
export {
  Artifact,
  BuildSpec,
  findPublishableImage,
  ImageLoader,
  OsExecutorCompileResult,
  OsExecutorSupport,
  OsExecutorUnsupportedReason,
  PlanSecret,
  type PublishableImage,
  ResolvedDotfiles,
  ResolvedImagePlan,
  ResolvedPackage
} from "./Executor.js"
export { inferSourceProvider, normalizeUserWorkspaceSpec, toBlueprint } from "./normalize.js"
export {
  isPackageQuery,
  normalizePackageQuery,
  PackageOsSupport,
  PackageResolution,
  packageResolutionKey,
  PackageResolutionSource,
  PackageResolutionStatus,
  packageResolutionTimeToLive,
  UtcDateTimeString
} from "./PackageResolution.js"
export { applyProfiles } from "./profiles.js"
export {
  PublishedImage,
  RuntimeAdapterBlueprint,
  RuntimeAdapterLaunchInput,
  RuntimeAdapterLaunchResult,
  RuntimeAdapterLaunchStatus,
  RuntimeAdapterSupport,
  RuntimeAdapterUnsupportedReason,
  WorkspaceCloneAuth
} from "./RuntimeAdapter.js"
export {
  CommandStep,
  HarnessRef,
  InputSource,
  PackageRef,
  PartialUserWorkspaceSpec,
  SourceRef,
  SshAccess,
  Startup,
  StartupForeground,
  TargetOs,
  TargetRuntime,
  UserWorkspaceSpec
} from "./UserWorkspaceSpec.js"
export {
  WorkspaceBlueprint,
  WorkspaceCustomization,
  WorkspaceForeground,
  WorkspaceHarness,
  WorkspaceInput,
  WorkspacePackage,
  WorkspaceRuntime,
  WorkspaceSource,
  WorkspaceSsh,
  WorkspaceStartup,
  WorkspaceStep,
  WorkspaceTarget
} from "./WorkspaceBlueprint.js"
export {
  WorkspaceBuildJobRequestPayload,
  WorkspaceBuildJobResultPayload,
  WorkspaceBuildJobRuntimeResultPayload
} from "./WorkspaceBuildJob.js"
export type { Accepted, Choice, ObjectCodec } from "./shapes.js"
