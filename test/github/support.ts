/**
 * Helpers of the tests of this domain: its repositories over each database, and two users.
 */
import type { SqlClient } from "@effect/sql"
import { Effect, Layer } from "effect"
import { UserId } from "../../src/auth/User.js"
import * as GitHub from "../../src/github/index.js"
import * as Source from "../../src/source/index.js"
import { overDatabases, seedUser } from "../support/database.js"

export const ada = UserId.make("ada")
export const eve = UserId.make("eve")

const seed = Layer.effectDiscard(Effect.all([seedUser(ada), seedUser(eve)]))

export type Services = Source.Services | GitHub.Services | SqlClient.SqlClient

/** The repositories over a database that has two users. */
export const layers = overDatabases(Layer.mergeAll(Source.layer, GitHub.layer, seed))

export { pages, shell } from "../support/lists.js"
export { badNames, refusalOf, tagOf } from "../support/refusals.js"
