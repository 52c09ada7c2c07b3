/**
 * The environment of a build of a sandbox.
 */
import { Effect, Option } from "effect"
import { BuildEnvironment, type BuildEnvironmentService, type Environment } from "../profile/BuildEnvironment.js"
import type { Build } from "./SandboxViews.js"

type Resolved = ReturnType<BuildEnvironmentService["resolve"]>

/**
 * Resolves the environment of a build, as `BuildEnvironment.resolve` does for the profiles of its attempt. It is empty
 * for a job without an attempt. A handler calls it at the time of the build, or of the launch of the runtime.
 */
export const environmentOf = ({
  attempt
}: Pick<Build, "attempt">): Effect.Effect<
  Effect.Effect.Success<Resolved>,
  Effect.Effect.Error<Resolved>,
  BuildEnvironment
> =>
  Option.match(attempt, {
    onNone: () => Effect.succeed<Environment>({ variables: [], missing: [] }),
    onSome: ({ ownerUserId, profileRevisionId, repositoryProfileRevisionId }) =>
      Effect.flatMap(BuildEnvironment, ({ resolve }) =>
        resolve({ ownerUserId, profileRevisionId, repositoryProfileRevisionId })
      )
  })
