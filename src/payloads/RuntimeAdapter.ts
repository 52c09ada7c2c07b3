/**
 * Inputs and results of runtime adapters.
 */
import { Schema } from "effect"
import {
  Flag,
  GitRef,
  GitUrl,
  OciRuntime,
  Persistence,
  Port,
  RuntimeAdapterId,
  StringMap,
  TargetRuntimeFamily,
  TargetRuntimeMode,
  Text
} from "./enumerations.js"
import { byTag, oneOf, optional, passthrough, strict } from "./shapes.js"

/** The state of a launch. */
export const RuntimeAdapterLaunchStatus = oneOf("pending", "running")
export type RuntimeAdapterLaunchStatus = typeof RuntimeAdapterLaunchStatus.Type

/** A launched sandbox. `endpoint` is the SSH address, if SSH is enabled and the address is known. */
export const RuntimeAdapterLaunchResult = strict({
  adapter: RuntimeAdapterId,
  resourceId: Text,
  reference: Text,
  status: RuntimeAdapterLaunchStatus,
  endpoint: optional(Text)
}).annotations({ identifier: "RuntimeAdapterLaunchResult" })
export type RuntimeAdapterLaunchResult = typeof RuntimeAdapterLaunchResult.Type

/** The part of a blueprint that an adapter reads. All other keys are kept unchanged, at every level. */
export const RuntimeAdapterBlueprint = passthrough({
  sources: passthrough({ workspace: passthrough({ url: GitUrl, ref: GitRef, authRef: optional(Text) }) }),
  access: passthrough({
    ssh: passthrough({ enabled: Flag, listenPort: optional(Port), authorizedKeysRef: optional(Text) })
  }),
  runtime: passthrough({
    env: StringMap,
    workingDirectory: Text,
    persistence: Persistence,
    ociRuntime: OciRuntime,
    network: passthrough({ outbound: Flag })
  }),
  target: passthrough({ runtime: passthrough({ family: TargetRuntimeFamily, mode: TargetRuntimeMode }) })
}).annotations({ identifier: "RuntimeAdapterBlueprint" })
export type RuntimeAdapterBlueprint = typeof RuntimeAdapterBlueprint.Type

/** The image that a sandbox is launched from. */
export const PublishedImage = strict({
  repository: Text,
  tag: Text,
  reference: Text,
  digestReference: Text,
  digest: Text
})
export type PublishedImage = typeof PublishedImage.Type

/** The authentication of the clone of the workspace: none, a file, or a token, which is confidential. */
export const WorkspaceCloneAuth = byTag("type", {
  none: strict({ type: oneOf("none") }),
  "file-ref": strict({ type: oneOf("file-ref"), path: Text }),
  "http-token": strict({ type: oneOf("http-token"), username: Text, token: Text })
})
export type WorkspaceCloneAuth = typeof WorkspaceCloneAuth.Type

/** The input of an adapter for launching a sandbox. */
export const RuntimeAdapterLaunchInput = strict({
  blueprint: RuntimeAdapterBlueprint,
  publishedImage: PublishedImage,
  workspaceCloneAuth: optional(WorkspaceCloneAuth)
}).annotations({ identifier: "RuntimeAdapterLaunchInput" })
export type RuntimeAdapterLaunchInput = typeof RuntimeAdapterLaunchInput.Type

/** The reason why an adapter does not support a blueprint. */
export const RuntimeAdapterUnsupportedReason = oneOf(
  "unsupported-runtime",
  "unsupported-access-mode",
  "unsupported-runtime-requirement",
  "adapter-unavailable"
)
export type RuntimeAdapterUnsupportedReason = typeof RuntimeAdapterUnsupportedReason.Type

/** Whether an adapter supports a blueprint. Contains the reason if it does not. */
export const RuntimeAdapterSupport = byTag("supported", {
  true: strict({ supported: Schema.Literal(true) }),
  false: strict({ supported: Schema.Literal(false), reason: RuntimeAdapterUnsupportedReason, message: Text })
})
export type RuntimeAdapterSupport = typeof RuntimeAdapterSupport.Type
