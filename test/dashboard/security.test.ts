/**
 * The checks of every request: host, origin, session, CSRF token, and what a read-only Dashboard has.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { ControlPlaneEvents, WorkspaceBuildJobRepo } from "@sealant/db"
import { DashboardApi } from "@sealant/db/dashboard"
import { Factories } from "@sealant/db/testing"
import { Effect, Redacted } from "effect"
import { openServer, type TestServer } from "./support.js"

const token = "0123456789abcdef0123456789abcdef"

const jobStatus = (server: TestServer, id: string) =>
  server.run(Effect.flatMap(WorkspaceBuildJobRepo, (jobs) => Effect.map(jobs.getById(id), ({ status }) => status)))

const launch = (server: TestServer) => server.run(Factories.make.launch())

describe("a Dashboard without a token", () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer()
  }, 60_000)
  afterAll(() => server.close())

  it("refuses a foreign Host header, and accepts loopback names and addresses", async () => {
    for (const host of [
      "attacker.example",
      "attacker.example:5480",
      "localhost.attacker.example",
      "127.0.0.1.example"
    ]) {
      for (const path of ["/api/config", "/api/jobs", "/"]) {
        expect(await server.get(path, { host }), host).toMatchObject({ status: 403, json: { reason: "host" } })
      }
    }
    for (const host of ["localhost", `localhost:${server.port}`, "127.0.0.1:1", "[::1]:5480", "192.0.2.7"]) {
      expect((await server.get("/api/config", { host })).status, host).toBe(200)
    }
  })

  it("refuses a POST of a foreign origin, also with a valid CSRF token", async () => {
    const { job } = await launch(server)
    const cancel = `/api/jobs/${job.id}/cancel`
    for (const headers of [
      { origin: "https://attacker.example" },
      { origin: "null" },
      { origin: `http://127.0.0.1:${server.port + 1}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" }
    ]) {
      const answer = await server.request(cancel, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-csrf-token": String(Reflect.get(Object((await server.get("/api/config")).json), "csrfToken")),
          ...headers
        },
        body: JSON.stringify({ reason: "no" })
      })
      expect(answer).toMatchObject({ status: 403, json: { _tag: "Forbidden", reason: "origin" } })
    }
    expect(await jobStatus(server, job.id)).toBe("queued")
  })

  it("refuses a POST without a CSRF token, with a wrong one, or with another content type", async () => {
    const { job } = await launch(server)
    const cancel = `/api/jobs/${job.id}/cancel`
    const body = JSON.stringify({ reason: "no" })
    const headers = { "content-type": "application/json" }
    for (const more of [{}, { "x-csrf-token": "" }, { "x-csrf-token": "a".repeat(43) }]) {
      expect(await server.request(cancel, { method: "POST", headers: { ...headers, ...more }, body })).toMatchObject({
        status: 403,
        json: { reason: "csrf" }
      })
    }
    for (const type of ["text/plain", "application/x-www-form-urlencoded", ""]) {
      expect(await server.post(cancel, { reason: "no" }, { "content-type": type }), type).toMatchObject({
        status: 400,
        json: { issues: ["content-type: must be application/json"] }
      })
    }
    expect(await jobStatus(server, job.id)).toBe("queued")
  })

  it("accepts a POST of its own page, and records it with the operator as the actor", async () => {
    const { job } = await launch(server)
    const own = { origin: `http://127.0.0.1:${server.port}`, host: `127.0.0.1:${server.port}` }
    const answer = await server.post(`/api/jobs/${job.id}/cancel`, { reason: "a typo" }, own)
    expect(answer).toMatchObject({ status: 200, json: { id: job.id, status: "cancelled" } })
    const events = await server.run(
      Effect.flatMap(ControlPlaneEvents, (journal) => journal.list({ subjectType: "job", subjectId: job.id }))
    )
    expect(events.at(-1)).toMatchObject({ eventType: "cancel", actorType: "operator" })
    expect((await server.get(`/api/events?subjectId=${job.id}&actorType=operator`)).json).toMatchObject({
      items: [{ actorType: "operator", actorId: "alice", eventType: "cancel", toState: "cancelled" }]
    })
  })

  it("sends headers against frames, scripts, sniffing and referrers with every response", async () => {
    for (const path of ["/", "/jobs/x", "/api/config", "/api/nope", "/api/jobs?limit=x", "/assets/none.js"]) {
      const { headers } = await server.get(path)
      const policy = String(headers["content-security-policy"])
      expect(policy, path).toContain("frame-ancestors 'none'")
      expect(policy, path).toContain("script-src 'self';")
      expect(policy, path).not.toMatch(/script-src[^;]*unsafe/)
      expect(headers, path).toMatchObject({
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer"
      })
      expect(headers["access-control-allow-origin"], path).toBeUndefined()
    }
  })

  it("answers paths outside of the page and the API without any file of the disk", async () => {
    for (const path of [
      "/../package.json",
      "/..%2f..%2fpackage.json",
      "/assets/../../package.json",
      "//etc/passwd",
      "/%00"
    ]) {
      const { text } = await server.get(path)
      expect(text, path).not.toMatch(/"@sealant\/db"|root:/)
    }
  })

  it("answers HEAD as GET without a body, and other methods and unknown endpoints with 404", async () => {
    expect(await server.request("/api/config", { method: "HEAD" })).toMatchObject({ status: 200, text: "" })
    expect(await server.request("/", { method: "HEAD" })).toMatchObject({ text: "" })
    expect(await server.get("/api/nope")).toMatchObject({ status: 404, json: { message: expect.any(String) } })
    expect(await server.request("/api/nope", { method: "HEAD" })).toMatchObject({ status: 404, text: "" })
    for (const method of ["PUT", "DELETE", "OPTIONS", "TRACE"]) {
      expect((await server.request("/api/jobs", { method })).status, method).toBe(404)
      expect((await server.request("/", { method })).status, method).toBe(404)
    }
  })

  it("answers invalid parameters and bodies with 400 and one line without the value", async () => {
    const value = "correct-horse-battery-staple"
    for (const path of [
      `/api/jobs?limit=${value}`,
      "/api/jobs?limit=0",
      "/api/jobs?limit=501",
      `/api/jobs?cursor=${value}`,
      `/api/jobs?statuses=${value}`,
      `/api/jobs?createdAfter=${value}`,
      `/api/sandboxes?includeArchived=${value}`,
      `/api/events?before=${value}`,
      `/api/events/${value}`,
      "/api/events/NaN",
      "/api/events/1.5",
      "/api/jobs/a%00b",
      "/api/sandboxes/a%00b",
      `/api/events?actorType=${value}`,
      `/api/webhooks?statuses=queued,${value}`
    ]) {
      const answer = await server.get(path)
      expect(answer, path).toMatchObject({ status: 400, json: { _tag: "InvalidInput", message: expect.any(String) } })
      expect(answer.text, path).not.toContain(value)
      expect(String(Reflect.get(Object(answer.json), "message"))).not.toContain("\n")
    }
    const { job } = await launch(server)
    expect(await server.post(`/api/jobs/${job.id}/cancel`, { reason: 7 })).toMatchObject({ status: 400 })
    for (const priority of [-1, 10, 1.5, "1", null]) {
      expect(await server.post(`/api/jobs/${job.id}/priority`, { priority })).toMatchObject({ status: 400 })
    }
    expect(await server.post("/api/jobs/redrive", { limit: 0 })).toMatchObject({ status: 400 })
    expect(await server.post(`/api/jobs/${job.id}/cancel`, { reason: "a".repeat(50_000) })).toMatchObject({
      status: 400
    })
  })

  it("finds rows by ids as long as imported ones, also with characters that an address escapes", async () => {
    const id = "é/".repeat(500)
    expect(await server.get(`/api/jobs/${encodeURIComponent(id)}`)).toMatchObject({
      status: 404,
      json: { _tag: "NotFound" }
    })
  })

  it("answers an unexpected failure with one line, without SQL and without a stack", async () => {
    const broken = await openServer()
    await broken.run(Effect.flatMap(WorkspaceBuildJobRepo, () => Effect.void))
    const { SqlClient } = await import("@effect/sql")
    await broken.run(
      Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`ALTER TABLE oci_image_build_jobs RENAME TO gone`))
    )
    const answer = await broken.get("/api/jobs")
    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(answer.text).not.toMatch(/SELECT|at .*\.[jt]s|\n/)
    await broken.close()
  })
})

describe("a Dashboard with a token", () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openServer({ token: Redacted.make(token) })
  }, 60_000)
  afterAll(() => server.close())

  const cookieOf = (header: unknown) => String(Array.isArray(header) ? header[0] : header).split(";")[0] ?? ""

  it("refuses every endpoint but those of the session without a cookie, and with a wrong one", async () => {
    for (const [group, endpoints] of Object.entries(DashboardApi.paths)) {
      if (group === "session") continue
      for (const [method, path] of Object.values(endpoints)) {
        for (const cookie of ["", "sealant_dashboard=9999999999999.x", `sealant_dashboard=${token}`]) {
          const answer = await server.request(path.replaceAll(/:\w+/g, "1"), { method, headers: { cookie } })
          expect(answer, `${method} ${path}`).toMatchObject({ status: 401, json: { _tag: "Unauthenticated" } })
        }
      }
    }
    expect((await server.get("/api/config")).json).toMatchObject({ authenticated: false, loginRequired: true })
    expect((await server.get("/api/config")).text).not.toMatch(/actor|database/)
  })

  it("sets a cookie that scripts and other sites cannot use, when the token is right", async () => {
    const answer = await server.post("/api/login", { token })
    expect(answer).toMatchObject({ status: 200, json: { authenticated: true, actor: "operator:alice" } })
    const header = String(answer.headers["set-cookie"])
    expect(header).toMatch(/HttpOnly/i)
    expect(header).toMatch(/SameSite=Strict/i)
    expect(header).toMatch(/Path=\//i)
    expect(header).not.toContain(token)
    const cookie = cookieOf(answer.headers["set-cookie"])
    expect((await server.get("/api/jobs", { cookie })).status).toBe(200)
    expect((await server.post("/api/jobs/redrive", { limit: 1 }, { cookie })).status).toBe(200)
    // The CSRF token of one session is not that of another.
    const foreign = String(Reflect.get(Object((await server.get("/api/config")).json), "csrfToken"))
    expect((await server.post("/api/jobs/redrive", { limit: 1 }, { cookie, "x-csrf-token": foreign })).status).toBe(403)
    expect(String((await server.post("/api/logout", {}, { cookie })).headers["set-cookie"])).toMatch(/Max-Age=0|1970/)
  })

  it("refuses a wrong token, and after ten of them any token for a while", async () => {
    const limited = await openServer({ token: Redacted.make(token) })
    for (let attempt = 0; attempt < 10; attempt++) {
      const wrong = `${token.slice(0, -1)}${attempt}`
      const answer = await limited.post("/api/login", { token: wrong })
      expect(answer).toMatchObject({ status: 403, json: { reason: "token" } })
      expect(answer.headers["set-cookie"]).toBeUndefined()
    }
    expect(await limited.post("/api/login", { token })).toMatchObject({
      status: 429,
      json: { _tag: "TooManyAttempts" }
    })
    await limited.close()
  })
})

describe("a read-only Dashboard", () => {
  it("has neither endpoints that write nor endpoints of documents", async () => {
    const server = await openServer({ readOnly: true })
    const { job } = await launch(server)
    expect((await server.get("/api/config")).json).toMatchObject({ mode: "read-only", payloads: false })
    for (const [group, endpoints] of Object.entries(DashboardApi.paths)) {
      if (!group.endsWith("Actions") && group !== "payloads") continue
      for (const [method, path] of Object.values(endpoints)) {
        const url = path.replaceAll(/:\w+/g, job.id)
        const answer = method === "POST" ? await server.post(url, { reason: "no", limit: 1 }) : await server.get(url)
        expect(answer, `${method} ${path}`).toMatchObject({ status: 404, json: { _tag: "RouteNotFound" } })
      }
    }
    expect(await jobStatus(server, job.id)).toBe("queued")
    await server.close()
  }, 60_000)

  it("has no documents with payloads: false, and still its actions", async () => {
    const server = await openServer({ payloads: false })
    const { job } = await launch(server)
    expect((await server.get(`/api/jobs/${job.id}/payload`)).status).toBe(404)
    expect((await server.post(`/api/jobs/${job.id}/cancel`, { reason: "no" })).status).toBe(200)
    await server.close()
  }, 60_000)
})
