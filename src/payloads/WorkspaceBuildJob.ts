/**
 * The documents of a build job, under the names that the product gives them.
 */
import { OsExecutorCompileResult } from "./Executor.js"
import { RuntimeAdapterLaunchResult } from "./RuntimeAdapter.js"
import { strict } from "./shapes.js"
import { UserWorkspaceSpec } from "./UserWorkspaceSpec.js"

/** What a build job is asked for: the specification as the user gave it. */
export const WorkspaceBuildJobRequestPayload = UserWorkspaceSpec
export type WorkspaceBuildJobRequestPayload = typeof WorkspaceBuildJobRequestPayload.Type

/** What a build job results in: the answer of the executor. */
export const WorkspaceBuildJobResultPayload = OsExecutorCompileResult
export type WorkspaceBuildJobResultPayload = typeof WorkspaceBuildJobResultPayload.Type

/** What building and launching results in: the answers of the executor and of the runtime adapter. */
export const WorkspaceBuildJobRuntimeResultPayload = strict({
  compile: OsExecutorCompileResult,
  runtime: RuntimeAdapterLaunchResult
}).annotations({ identifier: "WorkspaceBuildJobRuntimeResultPayload" })
export type WorkspaceBuildJobRuntimeResultPayload = typeof WorkspaceBuildJobRuntimeResultPayload.Type
