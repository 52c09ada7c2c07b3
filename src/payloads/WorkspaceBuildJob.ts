/**
 * The documents of a build job, by their names in the product.
 */
import { OsExecutorCompileResult } from "./Executor.js"
import { RuntimeAdapterLaunchResult } from "./RuntimeAdapter.js"
import { strict } from "./shapes.js"
import { UserWorkspaceSpec } from "./UserWorkspaceSpec.js"

/** The request of a build job: the specification of the user. */
export const WorkspaceBuildJobRequestPayload = UserWorkspaceSpec
export type WorkspaceBuildJobRequestPayload = typeof WorkspaceBuildJobRequestPayload.Type

/** The result of a build job: the result of the executor. */
export const WorkspaceBuildJobResultPayload = OsExecutorCompileResult
export type WorkspaceBuildJobResultPayload = typeof WorkspaceBuildJobResultPayload.Type

/** The result of a build and launch: the results of the executor and of the runtime adapter. */
export const WorkspaceBuildJobRuntimeResultPayload = strict({
  compile: OsExecutorCompileResult,
  runtime: RuntimeAdapterLaunchResult
}).annotations({ identifier: "WorkspaceBuildJobRuntimeResultPayload" })
export type WorkspaceBuildJobRuntimeResultPayload = typeof WorkspaceBuildJobRuntimeResultPayload.Type
