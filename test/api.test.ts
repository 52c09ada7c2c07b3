/**
 * The conventions of docs/api.md, for every method of every service.
 */
import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { apiDocument, currentServices } from "../scripts/api/main.js"
import { type Method, readServices } from "../scripts/api/read.js"
import { render } from "../scripts/api/render.js"
import { services } from "./contract/services.js"

const verbs = [
  "acknowledge",
  "append",
  "apply",
  "archive",
  "begin",
  "build",
  "cancel",
  "claim",
  "consume",
  "create",
  "delete",
  "enqueue",
  "ensure",
  "extend",
  "fail",
  "find",
  "finish",
  "get",
  "grant",
  "heartbeat",
  "insert",
  "launch",
  "link",
  "list",
  "mark",
  "open",
  "peek",
  "process",
  "purge",
  "put",
  "read",
  "reap",
  "rebuild",
  "receive",
  "record",
  "redeliver",
  "redrive",
  "release",
  "rename",
  "replace",
  "report",
  "request",
  "retire",
  "retry",
  "reveal",
  "revoke",
  "rotate",
  "run",
  "set",
  "start",
  "stop",
  "stream",
  "succeed",
  "supervise",
  "sync",
  "tail",
  "unarchive",
  "unlink",
  "update",
  "upsert"
]

/** Members that read one fact, and are named after it. */
const facts = ["journal", "keys", "keyStatus", "mayUse", "position", "stats", "userHasGrant"]

/** Returns the conventions that a method breaks. */
const violationsOf = ({ errors, isStream, name, parameters, result }: Method): ReadonlyArray<string> => {
  const input = parameters.join(", ")
  const verb = /^[a-z]+/.exec(name)?.[0] ?? ""
  const rules: Readonly<Record<string, boolean>> = {
    "begins with a verb": verbs.includes(verb) || facts.includes(name),
    "is named after the attempt": !/run(s|id)/i.test(name) && !/\brunIds?\b/.test(input),
    "has one form for all callers": !/.ForOwner$/.test(name) || name === "getForOwner",
    "find returns an Option": verb !== "find" || result.startsWith("Option.Option<"),
    "get fails with NotFound": verb !== "get" || errors.includes("NotFound") || /^get(OrResolve|ByLease)?$/.test(name),
    "list returns a Page, or all of a bounded set":
      verb !== "list" || /^(Page\.)?Page</.test(result) || /^list(\w*Ids)?$/.test(name),
    "stream and tail return a Stream": isStream === ["stream", "tail"].includes(verb),
    "fails with PersistenceError": errors.includes("PersistenceError") || ["keys", "run"].includes(name),
    "cancel takes the id and the reason":
      name !== "cancel" ||
      /^\w+: (typeof Cancel\w+\.Encoded|\{ readonly id: string; readonly reason: string \})$/.test(input),
    "a lease is the first argument": !input.includes("lease: ") || input.startsWith("lease: "),
    "takes one object, or a lease and one more argument":
      parameters.length <= (/^(lease|target): |handler: /.test(input) || input.includes("handler: ") ? 2 : 1)
  }
  return Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [rule]))
}

describe("the methods of all services", () => {
  it("are those of the contract tests", () => {
    expect(currentServices.map(({ name }) => name).filter((name) => name !== "KeyRing")).toEqual(
      services.map(({ name }) => name).toSorted()
    )
  })

  it("follow the conventions of docs/api.md", () => {
    expect(
      currentServices.flatMap(({ methods, name }) =>
        methods.flatMap((method) => violationsOf(method).map((rule) => `${name}.${method.name}: ${rule}`))
      )
    ).toEqual([])
  })

  it("are reported when they break a convention", () => {
    const [planted] = readServices(fileURLToPath(new URL("./fixtures/api", import.meta.url)))
    expect(planted?.methods.map((method) => [method.name, violationsOf(method)])).toEqual([
      ["getForOwner", ["get fails with NotFound"]],
      ["doIt", ["begins with a verb", "fails with PersistenceError"]],
      ["cancel", ["cancel takes the id and the reason", "takes one object, or a lease and one more argument"]],
      ["findByRunId", ["is named after the attempt", "find returns an Option"]]
    ])
  })

  it("are in docs/api.md", () => {
    const isCurrent = readFileSync(apiDocument, "utf8") === render(currentServices)
    expect(isCurrent, "docs/api.md is stale: run npm run docs:api").toBe(true)
  })
})
