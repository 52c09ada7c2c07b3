/**
 * Responses of executors: whether they support a blueprint, and the result of a build.
 *
 * Stored in `oci_image_build_jobs.result_payload`.
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

/** The reason why an executor does not support a blueprint. */
export const OsExecutorUnsupportedReason = oneOf(
  "unsupported-os",
  "unsupported-harness",
  "unsupported-package",
  "unsupported-access-mode",
  "unsupported-runtime-requirement"
)
export type OsExecutorUnsupportedReason = typeof OsExecutorUnsupportedReason.Type

/** Whether an executor supports a blueprint. Contains the reason if it does not. */
export const OsExecutorSupport = byTag("supported", {
  true: strict({ supported: Schema.Literal(true) }),
  false: strict({ supported: Schema.Literal(false), reason: OsExecutorUnsupportedReason, message: Text })
})
export type OsExecutorSupport = typeof OsExecutorSupport.Type

/** The way in which an image is transferred from the executor to the publisher. */
export const ImageLoader = oneOf("docker-load", "registry")
export type ImageLoader = typeof ImageLoader.Type

/** One result of a build. `kind` is the discriminator. */
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

/** The packages that a package manager installs for a package of the specification. */
export const ResolvedPackage = strict({
  requestId: Text,
  requestedVersion: optional(Text),
  installPackages: list(Text).pipe(Schema.minItems(1, { message: () => "must not be empty" }))
})
export type ResolvedPackage = typeof ResolvedPackage.Type

/** The source of dotfiles, and the way in which they are applied. */
export const ResolvedDotfiles = strict(
  {
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
  },
  { target: "home", bootstrap: true, applyAt: "build" }
)
export type ResolvedDotfiles = typeof ResolvedDotfiles.Type

/** A secret that a build or a sandbox receives. Contains the reference to the secret, not its value. */
export const PlanSecret = strict(
  {
    id: Text,
    kind: oneOf("secret", "ssh-key", "ssh-known-hosts"),
    phase: oneOf("build", "runtime"),
    sourceRef: Text
  },
  { kind: "secret" }
)
export type PlanSecret = typeof PlanSecret.Type

/**
 * All inputs of an image. The maps of environment variables contain values of users in plain text. The blueprint is
 * decoded with the schema for stored blueprints, because its job may be older than the rules for source URLs.
 */
export const ResolvedImagePlan = strict(
  {
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
  },
  { packages: [], buildSecrets: [], runtimeSecrets: [], imageEnv: {}, runtimeEnv: {} }
)
export type ResolvedImagePlan = typeof ResolvedImagePlan.Type

/** The arguments of a BuildKit build. */
export const BuildSpec = strict(
  {
    contextDirectory: Text,
    containerfilePath: Text,
    imageReference: Text,
    push: Flag,
    secrets: list(strict({ id: Text, sourceRef: Text })),
    buildArgs: StringMap
  },
  { push: true, secrets: [], buildArgs: {} }
)
export type BuildSpec = typeof BuildSpec.Type

/**
 * The result of a build: the executor, at least one artifact, and notes.
 *
 * `buildkit` and `metadata.planHash` are not part of the contract of executors. They are accepted and kept, because the
 * existing executor writes them, and its results are stored unchanged.
 */
export const OsExecutorCompileResult = strict({
  executor: strict({ id: ExecutorId, osFamily: ConcreteOsFamily }),
  artifacts: list(Artifact).pipe(Schema.minItems(1, { message: () => "must not be empty" })),
  metadata: optional(
    strict(
      {
        defaultArtifactName: optional(Text),
        notes: list(Text),
        planHash: optional(Text)
      },
      { notes: [] }
    )
  ),
  buildkit: optional(strict({ imagePlan: ResolvedImagePlan, spec: BuildSpec }))
}).annotations({ identifier: "OsExecutorCompileResult" })
export type OsExecutorCompileResult = typeof OsExecutorCompileResult.Type

/** An image that the worker can publish: a file that Docker can load. */
export type PublishableImage = Extract<Artifact, { readonly kind: "oci-image" }> & {
  readonly path: string
  readonly loader: "docker-load"
}

const isPublishable = (artifact: Artifact): artifact is PublishableImage =>
  artifact.kind === "oci-image" && artifact.path !== undefined && artifact.loader === "docker-load"

/** Returns the first publishable image, which is the one that the worker publishes. */
export const findPublishableImage = (result: OsExecutorCompileResult): Option.Option<PublishableImage> =>
  Option.fromNullable(result.artifacts.find(isPublishable))
