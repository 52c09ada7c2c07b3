/**
 * A process whose worker thread is terminated while it commits a long transaction: `tsx terminatedWorker.ts PATH`. Prints
 * `ended`.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a worker thread is not a window
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { Effect } from "effect"
import { openLocalFile } from "../../src/libsql/openLocal.js"
import { elapsed } from "../support/eventLoop.js"

/** Begins the commit, and reports it before it can have ended in a thread. */
const commitLong = async (path: string) => {
  const client = await openLocalFile({ path, busyTimeoutMs: 20_000, synchronous: "full" })
  await client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
  const transaction = client.begin()
  await transaction.run("INSERT INTO t SELECT key, hex(randomblob(100)) FROM json_each(?)", [
    JSON.stringify(Array.from({ length: 50_000 }))
  ])
  await Effect.runPromise(elapsed(60))
  const committed = transaction.commit()
  parentPort?.postMessage("committing")
  await committed
}

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2], execArgv: process.execArgv })
  worker.once("message", async () => {
    await worker.terminate()
    // A commit in a thread would end in the terminated worker, and abort this process. Nothing reports that it has not.
    await Effect.runPromise(elapsed(1000))
    process.stdout.write("ended")
  })
} else {
  await commitLong(String(workerData))
}
