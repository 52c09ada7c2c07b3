/**
 * How a process dies: by SIGKILL, with nothing closed.
 */
import { Connection } from "../../src/libsql/Connection.js"

/** When it is to die: right before the numbered statement (1 is the first), or around the numbered COMMIT. */
export type Death =
  | { readonly at: "statement" | "before COMMIT" | "after COMMIT"; readonly number: number }
  | { readonly at: "never" }

/** Arranges that this process dies then. Returns what it has done so far, which goes on counting. */
export const dieAt = (death: Death) => {
  const done = { statements: 0, commits: 0 }
  const pass = (at: Death["at"], number: number) => {
    if (death.at !== "never" && death.at === at && death.number === number) process.kill(process.pid, "SIGKILL")
  }
  const { commit, run } = Connection.prototype
  Connection.prototype.run = function (this: Connection, sql, args) {
    done.statements += 1
    pass("statement", done.statements)
    return run.call(this, sql, args)
  }
  Connection.prototype.commit = function (this: Connection) {
    done.commits += 1
    pass("before COMMIT", done.commits)
    commit.call(this)
    pass("after COMMIT", done.commits)
  }
  return done
}
