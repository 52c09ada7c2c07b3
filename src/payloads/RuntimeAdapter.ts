/**
 * What the runtime adapters are given and what they answer: section 5 of the description of the
 * payloads.
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

/** How far a launch got. */
export const RuntimeAdapterLaunchStatus = oneOf("pending", "running")
export type RuntimeAdapterLaunchStatus = typeof RuntimeAdapterLaunchStatus.Type

/** A launched sandbox: where it runs and, where SSH is on and was found, how it is reached. */
export const RuntimeAdapterLaunchResult = strict({
  adapter: RuntimeAdapterId,
  resourceId: Text,
  reference: Text,
  status: RuntimeAdapterLaunchStatus,
  endpoint: optional(Text)
}).annotations({ identifier: "RuntimeAdapterLaunchResult" })
export type RuntimeAdapterLaunchResult = typeof RuntimeAdapterLaunchResult.Type

/** What an adapter reads of a blueprint. All other keys, of this object and below, are kept as they are. */
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

/** How the clone of the workspace authenticates: not at all, by a file, or by a token (which is a secret). */
export const WorkspaceCloneAuth = byTag("type", {
  none: strict({ type: oneOf("none") }),
  "file-ref": strict({ type: oneOf("file-ref"), path: Text }),
  "http-token": strict({ type: oneOf("http-token"), username: Text, token: Text })
})
export type WorkspaceCloneAuth = typeof WorkspaceCloneAuth.Type

/** All that an adapter needs to launch a sandbox. */
export const RuntimeAdapterLaunchInput = strict({
  blueprint: RuntimeAdapterBlueprint,
  publishedImage: PublishedImage,
  workspaceCloneAuth: optional(WorkspaceCloneAuth)
}).annotations({ identifier: "RuntimeAdapterLaunchInput" })
export type RuntimeAdapterLaunchInput = typeof RuntimeAdapterLaunchInput.Type

/** Why an adapter does not launch a blueprint. */
export const RuntimeAdapterUnsupportedReason = oneOf(
  "unsupported-runtime",
  "unsupported-access-mode",
  "unsupported-runtime-requirement",
  "adapter-unavailable"
)
export type RuntimeAdapterUnsupportedReason = typeof RuntimeAdapterUnsupportedReason.Type

/** Whether an adapter launches a blueprint, and if not, why. */
export const RuntimeAdapterSupport = byTag("supported", {
  true: strict({ supported: Schema.Literal(true) }),
  false: strict({ supported: Schema.Literal(false), reason: RuntimeAdapterUnsupportedReason, message: Text })
})
export type RuntimeAdapterSupport = typeof RuntimeAdapterSupport.Type
