/**
 * Better Auth's `getSession` with a cookie: our adapter against its drizzle adapter, both on a file.
 */
import { createClient } from "@libsql/client"
import { drizzleAdapter } from "@better-auth/drizzle-adapter"
import { betterAuth, type BetterAuthOptions } from "better-auth"
import { drizzle } from "drizzle-orm/libsql"
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core"
import { ManagedRuntime } from "effect"
import { join } from "node:path"
import { betterAuthAdapter } from "../../src/better-auth/index.js"
import * as Database from "../../src/Database.js"
import { compare, type Contender } from "./compare.js"
import type { Plan } from "./measure.js"
import { createFile } from "./seed.js"

const settings = {
  baseURL: "http://localhost:3000",
  secret: "a secret of forty characters, for a benchmark",
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  logger: { disabled: true },
  emailAndPassword: {
    enabled: true,
    password: { hash: async (password: string) => password, verify: async () => true }
  }
} satisfies BetterAuthOptions

const instant = (name: string) => integer(name, { mode: "timestamp_ms" })
const flag = (name: string) => integer(name, { mode: "boolean" })
const times = { createdAt: instant("created_at").notNull(), updatedAt: instant("updated_at").notNull() }

const user = sqliteTable("user", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  email: text("email").notNull(),
  emailVerified: flag("email_verified").notNull(),
  image: text("image"),
  ...times
})
const session = sqliteTable("session", {
  id: text("id").primaryKey(),
  userId: text("user_id").notNull(),
  token: text("token").notNull(),
  expiresAt: instant("expires_at").notNull(),
  ipAddress: text("ip_address"),
  userAgent: text("user_agent"),
  ...times
})
const account = sqliteTable("account", {
  id: text("id").primaryKey(),
  accountId: text("account_id").notNull(),
  providerId: text("provider_id").notNull(),
  userId: text("user_id").notNull(),
  accessToken: text("access_token"),
  refreshToken: text("refresh_token"),
  idToken: text("id_token"),
  accessTokenExpiresAt: instant("access_token_expires_at"),
  refreshTokenExpiresAt: instant("refresh_token_expires_at"),
  scope: text("scope"),
  password: text("password"),
  ...times
})
const verification = sqliteTable("verification", {
  id: text("id").primaryKey(),
  identifier: text("identifier").notNull(),
  value: text("value").notNull(),
  expiresAt: instant("expires_at").notNull(),
  ...times
})

interface Opened {
  readonly database: NonNullable<BetterAuthOptions["database"]>
  readonly close: () => Promise<void>
}

const contender = (name: string, open: (file: string) => Promise<Opened>): Contender => ({
  name,
  open: async (directory, index) => {
    const file = join(directory, `${index}.sqlite`)
    // Both use our tables, with their indexes.
    createFile(file, "sealant", 0)
    const { close, database } = await open(file)
    const auth = betterAuth({ ...settings, database })
    const signedUp = await auth.api.signUpEmail({
      body: { name: "Ada", email: "ada@example.com", password: "a password" },
      returnHeaders: true
    })
    const headers = new Headers({ cookie: signedUp.headers.get("set-cookie")?.split(";", 1)[0] ?? "" })
    return {
      entry: {
        prepare: (operations) => ({
          run: async () => {
            for (let i = 0; i < operations; i++) {
              if ((await auth.api.getSession({ headers })) === null) throw new Error("no session")
            }
          }
        })
      },
      close
    }
  }
})

const ours = contender("ours", async (file) => {
  const runtime = ManagedRuntime.make(Database.layer({ filePath: file }))
  return { database: betterAuthAdapter(runtime), close: () => runtime.dispose() }
})

const drizzled = contender("drizzle adapter", async (file) => {
  const client = createClient({ url: `file:${file}`, concurrency: 1 })
  const db = drizzle(client)
  const database = drizzleAdapter(db, { provider: "sqlite", schema: { user, session, account, verification } })
  return { database, close: async () => client.close() }
})

export const sessions = (plan: Plan) => compare([ours, drizzled], plan)
