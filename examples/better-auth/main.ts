/**
 * Better Auth on a database of this package: a user signs up and in, resets the password, signs out, and deletes the
 * account. After each step, prints the rows that the repositories return. Tokens and hashes are redacted in the models.
 */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import type { SqlClient } from "@effect/sql"
import { AccountRepo, Auth, Database, Migrations, SessionRepo, UserRepo } from "@sealant/db"
import { betterAuthAdapter } from "@sealant/db/better-auth"
import { betterAuth } from "better-auth"
import { randomBytes } from "node:crypto"
import { Console, Effect, Layer, Option } from "effect"

const email = "ada@example.com"
const origin = "http://localhost:3000"

/** Makes a server on the database of the program. `mails` collects the tokens that it would send by mail. */
const makeServer = Effect.map(Effect.runtime<SqlClient.SqlClient>(), (runtime) => {
  const mails: Array<string> = []
  const auth = betterAuth({
    baseURL: origin,
    secret: randomBytes(32).toString("hex"),
    database: betterAuthAdapter(runtime),
    emailAndPassword: { enabled: true, sendResetPassword: async ({ token }) => void mails.push(token) },
    user: { deleteUser: { enabled: true } },
    logger: { disabled: true },
    telemetry: { enabled: false }
  })
  return { auth, mails }
})

/** Makes a client that posts to the server like a browser, with the cookies of earlier responses. */
const makeBrowser = (handler: (request: Request) => Promise<Response>) => {
  const cookies = new Map<string, string>()
  return (path: string, body: object) =>
    Effect.promise(async () => {
      const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ")
      const headers = { origin, cookie, "content-type": "application/json" }
      const answer = await handler(
        new Request(`${origin}/api/auth${path}`, { method: "POST", headers, body: JSON.stringify(body) })
      )
      for (const pair of answer.headers.getSetCookie().map((header) => header.split(";")[0] ?? "")) {
        cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
      }
      return answer.status
    })
}

/** Prints the rows of the user in a line. Fails if the server responded with an unexpected status. */
const report = (step: string, status: number, expected: number) =>
  Effect.gen(function* () {
    if (status !== expected)
      return yield* Effect.fail(new Error(`${step}: the server responded with ${status}, expected ${expected}`))
    const user = yield* (yield* UserRepo).findByEmail(email)
    if (Option.isNone(user)) return yield* Console.log(`${step}: ${status}; no user`)
    const { id: userId, name } = user.value
    const accounts = yield* (yield* AccountRepo).listForUser({ userId })
    const sessions = yield* (yield* SessionRepo).listForUser({ userId })
    const ways = accounts.items.map(
      ({ password, providerId }) => `${providerId} (password ${Option.getOrElse(password, () => "none")})`
    )
    yield* Console.log(`${step}: ${status}; ${name} signs in by ${ways.join(", ")}; sessions: ${sessions.items.length}`)
  })

const program = Effect.gen(function* () {
  const { auth, mails } = yield* makeServer
  const post = makeBrowser(auth.handler)
  const [password, newPassword] = ["a long passphrase", "another passphrase"]
  const steps: ReadonlyArray<readonly [step: string, run: () => Effect.Effect<number>, expected?: number]> = [
    ["signed up", () => post("/sign-up/email", { name: "Ada", email, password })],
    ["refused a wrong password", () => post("/sign-in/email", { email, password: newPassword }), 401],
    ["signed in once more", () => post("/sign-in/email", { email, password })],
    ["asked for a reset", () => post("/request-password-reset", { email })],
    ["reset the password", () => post("/reset-password", { newPassword, token: mails.at(-1) })],
    ["signed in by the new one", () => post("/sign-in/email", { email, password: newPassword })],
    ["signed out", () => post("/sign-out", {})],
    ["signed in to leave", () => post("/sign-in/email", { email, password: newPassword })],
    ["left", () => post("/delete-user", { password: newPassword })]
  ]
  for (const [step, run, expected = 200] of steps) yield* report(step, yield* run(), expected)
})

const main = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "sealant-auth-" })
  const filePath = path.join(directory, "auth.sqlite")
  const live = Auth.layer.pipe(Layer.provideMerge(Migrations.layer), Layer.provideMerge(Database.layer({ filePath })))
  yield* Effect.provide(program, live)
}).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

NodeRuntime.runMain(main)
