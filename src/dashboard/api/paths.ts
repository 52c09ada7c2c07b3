/**
 * The method and path of each endpoint, by group and name. Paths are relative to the address of the Dashboard.
 *
 * This file imports nothing, so a page can call the API with `fetch` and the types of `DashboardApi`, without the
 * runtime of Effect.
 */
export const paths = {
  session: {
    config: ["GET", "/api/config"],
    login: ["POST", "/api/login"],
    logout: ["POST", "/api/logout"]
  },
  overview: {
    get: ["GET", "/api/overview"],
    live: ["GET", "/api/live"],
    search: ["GET", "/api/search"]
  },
  jobs: {
    list: ["GET", "/api/jobs"],
    count: ["GET", "/api/jobs/count"],
    get: ["GET", "/api/jobs/:id"]
  },
  jobActions: {
    redrive: ["POST", "/api/jobs/:id/redrive"],
    cancel: ["POST", "/api/jobs/:id/cancel"],
    fail: ["POST", "/api/jobs/:id/fail"],
    setPriority: ["POST", "/api/jobs/:id/priority"],
    redriveMany: ["POST", "/api/jobs/redrive"]
  },
  sandboxes: {
    list: ["GET", "/api/sandboxes"],
    get: ["GET", "/api/sandboxes/:id"],
    attempts: ["GET", "/api/sandboxes/:id/attempts"],
    timeline: ["GET", "/api/sandboxes/:id/timeline"]
  },
  sandboxActions: {
    stop: ["POST", "/api/sandboxes/:id/stop"],
    retry: ["POST", "/api/sandboxes/:id/retry"],
    rebuild: ["POST", "/api/sandboxes/:id/rebuild"],
    extend: ["POST", "/api/sandboxes/:id/extend"]
  },
  workflows: {
    list: ["GET", "/api/workflows"],
    get: ["GET", "/api/workflows/:id"],
    executions: ["GET", "/api/workflows/:id/executions"],
    execution: ["GET", "/api/executions/:id"],
    executionEvents: ["GET", "/api/executions/:id/events"],
    executionLive: ["GET", "/api/executions/:id/live"]
  },
  webhooks: {
    list: ["GET", "/api/webhooks"],
    get: ["GET", "/api/webhooks/:id"]
  },
  webhookActions: {
    redeliver: ["POST", "/api/webhooks/:id/redeliver"]
  },
  events: {
    list: ["GET", "/api/events"],
    get: ["GET", "/api/events/:position"]
  },
  database: {
    tables: ["GET", "/api/database/tables"],
    diagrams: ["GET", "/api/database/diagrams"],
    migrations: ["GET", "/api/database/migrations"],
    retention: ["GET", "/api/database/retention"],
    backups: ["GET", "/api/database/backups"],
    verifyBackup: ["GET", "/api/database/backups/:name/verification"],
    keys: ["GET", "/api/database/keys"],
    doctor: ["GET", "/api/database/doctor"]
  },
  databaseActions: {
    backup: ["POST", "/api/database/backups"]
  },
  payloads: {
    job: ["GET", "/api/jobs/:id/payload"],
    webhook: ["GET", "/api/webhooks/:id/payload"],
    executionEvent: ["GET", "/api/executions/:id/events/:sequence/payload"],
    artifact: ["GET", "/api/artifacts/:id/content"]
  }
} as const satisfies Readonly<
  Record<string, Readonly<Record<string, readonly [method: "GET" | "POST", path: `/api/${string}`]>>>
>

/** The header that each POST carries, with the `csrfToken` of `session.config`. */
export const csrfHeader = "x-csrf-token"
