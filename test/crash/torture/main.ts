/**
 * `npm run torture [-- --minutes N --seed S --kills K]`: repeats all scenarios for this number of minutes (default 5) and
 * until this number of processes was killed (default 200), then prints a report. Exits with 1 if anything was lost.
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { buildPrograms } from "../../support/programs.js"
import { kills } from "./kills.js"
import { randomOf } from "./random.js"
import { overlaps } from "./overlaps.js"
import { newAccount } from "./run.js"
import { replaced } from "./replaced.js"
import { jumps, late, stops, storms } from "./storms.js"

const { values } = parseArgs({
  options: { minutes: { type: "string" }, seed: { type: "string" }, kills: { type: "string" } }
})
const minutes = Number(values.minutes ?? 5)
const enough = Number(values.kills ?? 200)
const seed = Number(values.seed ?? Date.now() % 1_000_000)

const account = newAccount()
const random = randomOf(seed)
const begun = performance.now()
const sendLine = (line: string) => process.stdout.write(`${line}\n`)

const report = (scenario: string) =>
  sendLine(
    `${Math.round((performance.now() - begun) / 1000)} s, ${scenario}: ${account.kills} kills, ${account.checks} checks, losses: ${account.losses.length}`
  )

const lateWorker = Effect.map(late, ({ after, told }) => {
  if (after.status !== "succeeded" || told.some((tag) => tag !== "LeaseLost"))
    account.losses.push(`a late worker was told ${told.join(", ")}`)
})

const scenarios = {
  kills: kills(account, random, 30),
  storms: storms(account, random, 40),
  stops: stops(account, random, 15),
  clocks: jumps(account, random, 150),
  "replaced files": replaced(account, random, 6),
  overlaps: overlaps(account, random, 6),
  "late workers": lateWorker
}

const round = Effect.forEach(
  Object.entries<Effect.Effect<unknown, unknown>>(scenarios),
  ([name, scenario]) => Effect.map(scenario, () => report(name)),
  { discard: true }
)

const isOver = () => account.kills >= enough && performance.now() - begun >= minutes * 60_000

await buildPrograms()
sendLine(`torture: seed ${seed}, ${minutes} minutes and ${enough} kills at least`)
await Effect.runPromise(Effect.whileLoop({ while: () => !isOver(), body: () => round, step: () => undefined }))
sendLine(`
kills:            ${account.kills} processes, by SIGKILL
storms:           ${account.storms} times the lock was held by somebody else; ${account.busy} operations were refused as busy
stops:            ${account.stops} times a worker stood still past its leases
takeovers:        ${account.takeovers} handlers began on a job of a worker that was cut off or stood still
clocks:           ${account.jumps} workers whose clock was hours wrong
acknowledged:     ${account.acknowledged} operations
checks:           ${account.checks} times the books were balanced
longest turn:     ${account.longestTurnMs} ms of the event loop of a worker
losses: ${account.losses.length}`)
for (const loss of account.losses) sendLine(`  ${loss}`)
process.exitCode = account.losses.length === 0 ? 0 : 1
