/**
 * A plugin of Better Auth with several models, transactions and joins.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { organization } from "better-auth/plugins"
import { databaseLayers } from "../support/database.js"
import { shell } from "../support/lists.js"
import { quickPasswords, serve } from "./support.js"

const tables = [
  "ALTER TABLE session ADD COLUMN active_organization_id TEXT",
  `CREATE TABLE organization (
    id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, logo TEXT, created_at INTEGER NOT NULL, metadata TEXT
  ) STRICT`,
  `CREATE TABLE member (
    id TEXT PRIMARY KEY NOT NULL, organization_id TEXT NOT NULL REFERENCES organization (id), user_id TEXT NOT NULL REFERENCES user (id),
    role TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE invitation (
    id TEXT PRIMARY KEY NOT NULL, organization_id TEXT NOT NULL REFERENCES organization (id), email TEXT NOT NULL, role TEXT,
    status TEXT NOT NULL, expires_at INTEGER NOT NULL, created_at INTEGER NOT NULL, inviter_id TEXT NOT NULL REFERENCES user (id)
  ) STRICT`
]

describe("the organization plugin", () => {
  for (const joins of [false, true]) {
    it.effect(`stores organizations, members and invitations in this database (joins: ${joins})`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.forEach(tables, (table) => sql.unsafe(table))
        const { browser } = yield* serve({
          emailAndPassword: { enabled: true, password: quickPasswords },
          plugins: [organization({ requireEmailVerificationOnInvitation: false })],
          advanced: { database: { joins } }
        })
        const [ada, bob] = [browser(), browser()]
        yield* ada.post("/sign-up/email", { name: "Ada", email: "ada@example.com", password: "a long passphrase" })
        yield* bob.post("/sign-up/email", { name: "Bob", email: "bob@example.com", password: "a long passphrase" })

        const made = yield* ada.post("/organization/create", {
          name: "Engines",
          slug: "engines",
          metadata: { floors: 3 }
        })
        expect(made).toMatchObject({
          status: 200,
          body: { slug: "engines", metadata: { floors: 3 }, members: [{ role: "owner" }] }
        })
        const { id: organizationId } = made.body as { readonly id: string }
        expect((yield* bob.post("/organization/create", { name: "Others", slug: "engines" })).status).toBe(400)

        const invited = yield* ada.post("/organization/invite-member", {
          email: "bob@example.com",
          role: "member",
          organizationId
        })
        const { id: invitationId } = invited.body as { readonly id: string }
        expect((yield* bob.post("/organization/accept-invitation", { invitationId })).status).toBe(200)
        expect((yield* bob.post("/organization/accept-invitation", { invitationId })).status).toBe(400)

        expect(
          (yield* ada.get(`/organization/get-full-organization?organizationId=${organizationId}`)).body
        ).toMatchObject({
          name: "Engines",
          members: expect.arrayContaining([
            expect.objectContaining({ role: "owner", user: expect.objectContaining({ email: "ada@example.com" }) }),
            expect.objectContaining({ role: "member", user: expect.objectContaining({ email: "bob@example.com" }) })
          ])
        })
        expect((yield* bob.get("/organization/list")).body).toMatchObject([{ slug: "engines" }])
        expect((yield* ada.post("/organization/delete", { organizationId })).status).toBe(200)
        expect(
          yield* shell("SELECT 1 FROM member UNION ALL SELECT 1 FROM invitation UNION ALL SELECT 1 FROM organization")
        ).toEqual([])
      }).pipe(Effect.provide(databaseLayers.memory))
    )
  }
})
