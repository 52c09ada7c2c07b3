/**
 * Kills this process by SIGKILL, without closing anything.
 */
import { Connection } from "../../src/libsql/Connection.js"

/** The point of the kill: before the numbered statement (1 is the first), or before or after the numbered COMMIT. */
export type Death =
  | { readonly at: "statement" | "before COMMIT" | "after COMMIT"; readonly number: number }
  | { readonly at: "never" }

/** Kills this process at the point. Returns counters of its statements and commits so far. */
export const dieAt = (death: Death) => {
  const done = { statements: 0, commits: 0 }
  const pass = (at: Death["at"], number: number) => {
    if (death.at !== "never" && death.at === at && death.number === number) process.kill(process.pid, "SIGKILL")
  }
  const { commit, commitInThread, run, runAndCommit } = Connection.prototype
  const committing = <A>(commit: () => A): A => {
    done.commits += 1
    pass("before COMMIT", done.commits)
    const result = commit()
    pass("after COMMIT", done.commits)
    return result
  }
  Connection.prototype.run = function (this: Connection, sql, args, firstOnly) {
    done.statements += 1
    pass("statement", done.statements)
    return run.call(this, sql, args, firstOnly)
  }
  Connection.prototype.commit = function (this: Connection) {
    committing(() => commit.call(this))
  }
  // The commit of a transaction that took long, as many do on a busy machine.
  Connection.prototype.commitInThread = async function (this: Connection) {
    done.commits += 1
    pass("before COMMIT", done.commits)
    await commitInThread.call(this)
    pass("after COMMIT", done.commits)
  }
  Connection.prototype.runAndCommit = function (this: Connection, sql, args) {
    return committing(() => runAndCommit.call(this, sql, args))
  }
  return done
}
