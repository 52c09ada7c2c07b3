/**
 * Claims of due jobs, in the order of `claimOrder.ts` and within the limits.
 */
import type { SqlClient } from "@effect/sql"
import { makeClaimInTurn } from "../leasing/claimInTurn.js"
import type { RowsOf } from "../sql/rows.js"
import { texts } from "./claim.js"
import { WorkspaceBuildJob } from "./WorkspaceBuildJob.js"

/** Every tenth claim of a process serves the less urgent priorities first. */
const agingInterval = 10
const priorities = 10

/**
 * Returns the most urgent priority of each claim of a process: 0, but for every tenth claim the priorities 1 to 9 in
 * turn, so that jobs of each priority are claimed.
 */
const agingOf = () => {
  let count = 0
  return () => {
    count += 1
    return count % agingInterval === 0 ? 1 + ((count / agingInterval - 1) % (priorities - 1)) : 0
  }
}

/** Builds the claim of up to `limit` due jobs. */
export const makeClaimDue = (sql: SqlClient.SqlClient, jobs: RowsOf<WorkspaceBuildJob>) => {
  const nextPriority = agingOf()
  return makeClaimInTurn(sql, jobs, WorkspaceBuildJob, {
    text: texts.claimNext,
    values: () => [nextPriority()],
    held: "running"
  })
}
