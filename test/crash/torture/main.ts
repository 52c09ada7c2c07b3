/**
 * `npm run torture [-- --minutes N --seed S --kills K]`: all scenarios again and again, for so many minutes (default 5) and
 * until so many processes were killed (default 200); then a report. Exits with 1 when anything was lost.
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { kills } from "./kills.js"
import { randomOf } from "./random.js"
import { overlaps } from "./overlaps.js"
import { newAccount } from "./run.js"
import { replaced } from "./replaced.js"
import { jumps, late, stops, storms } from "./storms.js"

const { values } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" }, kills: { type: "string" } } })
const minutes = Number(values.minutes ?? 5)
const enough = Number(values.kills ?? 200)
const seed = Number(values.seed ?? Date.now() % 1_000_000)

const account = newAccount()
const random = randomOf(seed)
const begun = performance.now()
const say = (line: string) => process.stdout.write(`${line}\n`)

const round = Effect.gen(function*() {
  yield* kills(account, random, 30)
  yield* storms(account, random, 40)
  yield* stops(account, random, 15)
  yield* jumps(account, random, 150)
  yield* replaced(account, random, 6)
  yield* overlaps(account, random, 6)
  const { after, told } = yield* late
  if (after.status !== "succeeded" || told.some((tag) => tag !== "LeaseLost")) account.losses.push(`a late worker was told ${told.join(", ")}`)
  say(`${Math.round((performance.now() - begun) / 1000)} s: ${account.kills} kills, ${account.checks} checks, losses: ${account.losses.length}`)
})

const isOver = () => account.kills >= enough && performance.now() - begun >= minutes * 60_000

say(`torture: seed ${seed}, ${minutes} minutes and ${enough} kills at least`)
await Effect.runPromise(Effect.whileLoop({ while: () => !isOver(), body: () => round, step: () => undefined }))
say(`
kills:            ${account.kills} processes, by SIGKILL
storms:           ${account.storms} times the lock was held by somebody else; ${account.busy} operations were refused as busy
stops:            ${account.stops} times a worker stood still past its leases
takeovers:        ${account.takeovers} handlers began on a job of a worker that was cut off or stood still
clocks:           ${account.jumps} workers whose clock was hours wrong
acknowledged:     ${account.acknowledged} operations
checks:           ${account.checks} times the books were balanced
longest turn:     ${account.longestTurnMs} ms of the event loop of a worker
losses: ${account.losses.length}`)
for (const loss of account.losses) say(`  ${loss}`)
process.exitCode = account.losses.length === 0 ? 0 : 1
