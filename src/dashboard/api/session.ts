/**
 * The session of a page: what the server allows, and the login.
 */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { Schema } from "effect"
import { Forbidden, Nothing, Time, TooManyAttempts } from "./common.js"
import { paths } from "./paths.js"

/** The permissions of the page, its actor and its CSRF token. Each page requests it first. */
export const Config = Schema.Struct({
  /** `read-only`: the endpoints of the groups whose names end in `Actions` do not exist. */
  mode: Schema.Literal("read-write", "read-only"),
  /** Whether the group `payloads` exists. */
  payloads: Schema.Boolean,
  /** Whether the server has a token. */
  loginRequired: Schema.Boolean,
  /** Whether this request has a session. Always true if no login is required. */
  authenticated: Schema.Boolean,
  /** The value of the header `x-csrf-token` of each POST. A login changes it. */
  csrfToken: Schema.String,
  /** The actor of the actions, as the journal contains it: `operator:alice`. Absent without a session. */
  actor: Schema.optional(Schema.String),
  /** The kind of database, and the name of its file or the host of its server. Absent without a session. */
  database: Schema.optional(Schema.Struct({ kind: Schema.Literal("file", "memory", "server"), name: Schema.String })),
  /** The time of the server, for relative times. */
  now: Time
})
export type Config = typeof Config.Type

/** The token of the Dashboard, from the login form. */
export const Login = Schema.Struct({ token: Schema.String.pipe(Schema.maxLength(1000)) })

/** The endpoints of a session. They need no session. `login` sets a cookie that scripts cannot read. */
export const session = HttpApiGroup.make("session")
  .add(HttpApiEndpoint.get("config", paths.session.config[1]).addSuccess(Config))
  .add(
    HttpApiEndpoint.post("login", paths.session.login[1])
      .setPayload(Login)
      .addSuccess(Config)
      .addError(Forbidden)
      .addError(TooManyAttempts)
  )
  .add(HttpApiEndpoint.post("logout", paths.session.logout[1]).setPayload(Nothing).addSuccess(Config))
