/**
 * What the executors answer: whether they can build something, and what they built.
 *
 * Stored in `oci_image_build_jobs.result_payload`. The rules are those of section 4 of the
 * description of the payloads.
 */
import { Option, Schema } from "effect"
import { readingOf } from "../sql/decoder.js"
import {
  ConcreteOsFamily,
  DotfilesManager,
  DotfilesTarget,
  ExecutorId,
  Flag,
  StringMap,
  Text,
  UrlString
} from "./enumerations.js"
import { byTag, list, oneOf, optional, strict } from "./shapes.js"
import { WorkspaceBlueprint, WorkspaceCustomization } from "./WorkspaceBlueprint.js"

/** Why an executor does not build a blueprint. */
export const OsExecutorUnsupportedReason = oneOf(
  "unsupported-os",
  "unsupported-harness",
  "unsupported-package",
  "unsupported-access-mode",
  "unsupported-runtime-requirement"
)
export type OsExecutorUnsupportedReason = typeof OsExecutorUnsupportedReason.Type

/** Whether an executor builds a blueprint, and if not, why. */
export const OsExecutorSupport = byTag("supported", {
  true: strict({ supported: Schema.Literal(true) }),
  false: strict({ supported: Schema.Literal(false), reason: OsExecutorUnsupportedReason, message: Text })
})
export type OsExecutorSupport = typeof OsExecutorSupport.Type

/** How an image gets from the executor to where it is published. */
export const ImageLoader = oneOf("docker-load", "registry")
export type ImageLoader = typeof ImageLoader.Type

/** One thing that was built, told apart by `kind`. */
export const Artifact = byTag("kind", {
  "oci-image": strict({
    kind: oneOf("oci-image"),
    name: Text,
    path: optional(Text),
    reference: optional(Text),
    loader: optional(ImageLoader)
  }),
  "filesystem-closure": strict({ kind: oneOf("filesystem-closure"), name: Text, path: Text }),
  manifest: strict({ kind: oneOf("manifest"), name: Text, path: Text, format: oneOf("json", "yaml") }),
  metadata: strict({ kind: oneOf("metadata"), name: Text, path: Text, format: oneOf("json") })
})
export type Artifact = typeof Artifact.Type

/** How a package manager is asked for a package of the specification. */
export const ResolvedPackage = strict({
  requestId: Text,
  requestedVersion: optional(Text),
  installPackages: list(Text).pipe(Schema.minItems(1, { message: () => "must not be empty" }))
})
export type ResolvedPackage = typeof ResolvedPackage.Type

/** Where dotfiles come from and how they are applied. */
export const ResolvedDotfiles = strict({
  sourceId: Text,
  manager: DotfilesManager,
  url: UrlString,
  ref: Text,
  target: DotfilesTarget,
  bootstrap: Flag,
  bootstrapCommand: optional(Text),
  applyAt: oneOf("build", "runtime"),
  authSecretId: optional(Text),
  githubInstallationRepositoryId: optional(Text)
}, { target: "home", bootstrap: true, applyAt: "build" })
export type ResolvedDotfiles = typeof ResolvedDotfiles.Type

/** A secret that a build or a sandbox is given: where it is found, never what it is. */
export const PlanSecret = strict({
  id: Text,
  kind: oneOf("secret", "ssh-key", "ssh-known-hosts"),
  phase: oneOf("build", "runtime"),
  sourceRef: Text
}, { kind: "secret" })
export type PlanSecret = typeof PlanSecret.Type

/**
 * All inputs of an image. The three maps of variables contain the values of users in plain text. The blueprint is read with the
 * schema of stored ones: it may come from a job that was queued before its source was refused.
 */
export const ResolvedImagePlan = strict({
  blueprint: readingOf(WorkspaceBlueprint),
  osFamily: ConcreteOsFamily,
  baseImage: Text,
  packageManager: oneOf("dnf", "pacman", "nix"),
  packages: list(ResolvedPackage),
  customization: WorkspaceCustomization,
  dotfiles: optional(ResolvedDotfiles),
  buildSecrets: list(PlanSecret),
  runtimeSecrets: list(PlanSecret),
  imageEnv: StringMap,
  runtimeEnv: StringMap
}, { packages: [], buildSecrets: [], runtimeSecrets: [], imageEnv: {}, runtimeEnv: {} })
export type ResolvedImagePlan = typeof ResolvedImagePlan.Type

/** What BuildKit is called with. */
export const BuildSpec = strict({
  contextDirectory: Text,
  containerfilePath: Text,
  imageReference: Text,
  push: Flag,
  secrets: list(strict({ id: Text, sourceRef: Text })),
  buildArgs: StringMap
}, { push: true, secrets: [], buildArgs: {} })
export type BuildSpec = typeof BuildSpec.Type

/**
 * What an executor built: itself, at least one artifact, and remarks.
 *
 * `buildkit` and `metadata.planHash` are more than the contract of the executors says. The one real
 * executor writes them, and its results are stored as they came, so they are accepted and kept.
 */
export const OsExecutorCompileResult = strict({
  executor: strict({ id: ExecutorId, osFamily: ConcreteOsFamily }),
  artifacts: list(Artifact).pipe(Schema.minItems(1, { message: () => "must not be empty" })),
  metadata: optional(strict({
    defaultArtifactName: optional(Text),
    notes: list(Text),
    planHash: optional(Text)
  }, { notes: [] })),
  buildkit: optional(strict({ imagePlan: ResolvedImagePlan, spec: BuildSpec }))
}).annotations({ identifier: "OsExecutorCompileResult" })
export type OsExecutorCompileResult = typeof OsExecutorCompileResult.Type

/** An image that the worker can publish: it lies in a file that Docker loads. */
export type PublishableImage = Extract<Artifact, { readonly kind: "oci-image" }> & {
  readonly path: string
  readonly loader: "docker-load"
}

const isPublishable = (artifact: Artifact): artifact is PublishableImage =>
  artifact.kind === "oci-image" && artifact.path !== undefined && artifact.loader === "docker-load"

/** The artifact that the worker publishes: the first that is publishable, if there is one. */
export const findPublishableImage = (result: OsExecutorCompileResult): Option.Option<PublishableImage> =>
  Option.fromNullable(result.artifacts.find(isPublishable))
