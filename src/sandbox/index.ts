/**
 * One layer for the services of sandboxes, attempts, runtimes and build jobs, and the lifecycle over them.
 */
import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import * as BuildJobs from "../build-job/index.js"
import { SandboxAttemptRepo } from "./SandboxAttemptRepo.js"
import { SandboxRepo } from "./SandboxRepo.js"
import { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"

/** The services that `layer` provides. */
export type Services =
  | SandboxLifecycle
  | SandboxRepo
  | SandboxAttemptRepo
  | SandboxRuntimeInstanceRepo
  | BuildJobs.Services

/** Provides all services of sandboxes over one `SqlClient`. */
export const layer: Layer.Layer<Services, never, SqlClient.SqlClient> = SandboxLifecycle.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(SandboxRepo.layer, SandboxAttemptRepo.layer, SandboxRuntimeInstanceRepo.layer, BuildJobs.layer)
  )
)
