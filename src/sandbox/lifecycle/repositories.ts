/**
 * The repositories whose methods the operations of `SandboxLifecycle` call.
 */
import type { SqlClient } from "@effect/sql"
import type { WorkspaceBuildJobRepo } from "../../build-job/WorkspaceBuildJobRepo.js"
import type { SandboxRepo } from "../SandboxRepo.js"

export interface Repositories {
  readonly sql: SqlClient.SqlClient
  readonly sandboxes: SandboxRepo["Type"]
  readonly jobs: WorkspaceBuildJobRepo["Type"]
}
