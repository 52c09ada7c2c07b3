/**
 * A process that enqueues one job for each message: `enqueuer.js NAME FILE DURABILITY`. It ends with the channel.
 */
import type { Contestant, Durability, OpenOptions } from "./contestant.js"
import { openOurs } from "./contestants/ours.js"
import { openPlainjob } from "./contestants/plainjob.js"
import { openRaw } from "./contestants/raw.js"
import { newRequests } from "./jobs.js"

const openers = { ours: openOurs, plainjob: openPlainjob, raw: openRaw } satisfies Record<
  string,
  (options: OpenOptions) => Promise<Contestant>
>

export type EnqueuerName = keyof typeof openers

const [name, file = "", durability] = process.argv.slice(2) as [EnqueuerName, string, Durability]

const contestant = await openers[name]({ file, durability })
process.on("message", () => void contestant.enqueue(newRequests(1), 1))
process.once("disconnect", () => void contestant.close())
process.send?.("ready")
