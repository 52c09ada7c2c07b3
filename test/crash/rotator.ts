/**
 * A process that rotates keys, reports its progress, and kills itself by SIGKILL at the requested point.
 */
import { Effect, Stream } from "effect"
import { SecretVault } from "../../src/secret/SecretVault.js"
import { Connection } from "../../src/libsql/Connection.js"
import { writeReport } from "../support/children.js"
import { enoughToKill, type RotationOptions, type RotationReport, vaultOn } from "./rotationProtocol.js"

const { dieAt, filePath }: RotationOptions = JSON.parse(process.argv[2] ?? "{}")

let commits = 0

/** Counts a commit, and kills this process before it if requested. Returns whether to kill it after the commit. */
const beforeCommit = (): boolean => {
  commits += 1
  const now = dieAt !== "killed" && dieAt.commit === commits
  if (now && dieAt.moment === "before") process.kill(process.pid, "SIGKILL")
  return now
}

const dying = <A>(commit: () => A): A => {
  const now = beforeCommit()
  const result = commit()
  if (now) process.kill(process.pid, "SIGKILL")
  return result
}

const { commit, commitInThread, runAndCommit } = Connection.prototype
Connection.prototype.commit = function (this: Connection) {
  dying(() => commit.call(this))
}
// The commit of a transaction that took long, on a busy machine.
Connection.prototype.commitInThread = async function (this: Connection) {
  const now = beforeCommit()
  await commitInThread.call(this)
  if (now) process.kill(process.pid, "SIGKILL")
}
Connection.prototype.runAndCommit = function (this: Connection, sql, args) {
  return dying(() => runAndCommit.call(this, sql, args))
}

const program = Effect.flatMap(SecretVault, (vault) =>
  Stream.runForEach(vault.streamRotation({ batchSize: 50 }), ({ rewrapped }) => {
    writeReport<RotationReport>({ type: "moved", count: rewrapped })
    return dieAt === "killed" && rewrapped === enoughToKill ? Effect.never : Effect.void
  })
)

Effect.runPromise(Effect.provide(program, vaultOn(filePath, "k2", "k1"))).catch((error: unknown) => {
  process.stderr.write(String(error))
  process.exitCode = 1
})
