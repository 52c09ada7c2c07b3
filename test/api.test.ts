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
  "count",
  "create",
  "delete",
  "end",
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
  "pause",
  "peek",
  "process",
  "publish",
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
  "repair",
  "replace",
  "report",
  "request",
  "resolve",
  "resume",
  "retire",
  "retry",
  "reveal",
  "revoke",
  "rotate",
  "run",
  "search",
  "set",
  "start",
  "stop",
  "stream",
  "succeed",
  "summarize",
  "supervise",
  "sync",
  "tail",
  "touch",
  "unarchive",
  "unlink",
  "update",
  "upsert"
]

/** The conventions: each returns whether the method follows it. */
const conventions: Readonly<Record<string, (method: Method, verb: string, input: string) => boolean>> = {
  "begins with a verb": (_, verb) => verbs.includes(verb),
  "is named after the attempt": ({ name }, _, input) => !/run(s|id)/i.test(name) && !/\brunIds?\b/.test(input),
  "has one form for all callers": ({ name }) => !/.ForOwner$/.test(name),
  "find returns an Option": ({ result }, verb) => verb !== "find" || result.startsWith("Option.Option<"),
  "get fails with NotFound": ({ errors }, verb) => verb !== "get" || errors.includes("NotFound"),
  "list returns a Page": ({ result }, verb) => verb !== "list" || /^(Page\.)?Page</.test(result),
  "stream and tail return a Stream": ({ isStream }, verb) => isStream === ["stream", "tail"].includes(verb),
  "fails with PersistenceError": ({ errors }) => errors.includes("PersistenceError"),
  "cancel takes the id and the reason": ({ name }, _, input) =>
    name !== "cancel" ||
    /^\w+: (typeof Cancel\w+\.Encoded|\{ readonly id: string; readonly reason: string \})$/.test(input),
  "a lease is the first argument": (_, __, input) => !input.includes("lease: ") || input.startsWith("lease: "),
  "fails with LeaseLost if it takes a lease": ({ errors }, _, input) =>
    !input.startsWith("lease: ") || errors.includes("LeaseLost"),
  "takes one object, or a lease and one more argument": ({ parameters }, _, input) =>
    parameters.length <= (input.startsWith("lease: ") ? 2 : 1)
}

const isFact = "reads one fact, and is named after it"
const isBounded = "returns all rows of a bounded set"
const takesHandler = "the handler is a second argument, so that its types are inferred"
const hasDefaults = "every owner has limits, at least the defaults"
const isLeased = "a lease that is not the current one is reported as LeaseLost"

/** The methods that break a convention on purpose, with the reason. */
const exceptions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "begins with a verb": {
    "BuildQueueRepo.drift": isFact,
    "BuildQueueRepo.load": isFact,
    "ControlPlaneEvents.activity": isFact,
    "ControlPlaneEvents.journal": isFact,
    "ControlPlaneEvents.position": isFact,
    "GitHubInstallationRepo.userHasGrant": isFact,
    "GitHubInstallationRepositoryRepo.mayUse": isFact,
    "GitHubWebhookDeliveryRepo.stats": isFact,
    "KeyRing.keys": isFact,
    "SandboxLifecycle.stats": isFact,
    "SandboxLifecycle.timeline": "the product's contract names this method",
    "SecretVault.keyStatus": isFact,
    "WorkspaceBuildJobRepo.nextDueAt": isFact,
    "WorkspaceBuildJobRepo.stats": isFact
  },
  "has one form for all callers": {
    "SandboxRepo.getForOwner": "the product's contract names this method"
  },
  "get fails with NotFound": {
    "OwnerLimitsRepo.get": hasDefaults,
    "OwnerLimitsRepo.getDefaults": hasDefaults,
    "GitHubWebhookDeliveryRepo.getByLease": isLeased,
    "PackageResolutionCacheRepo.get": "a missing entry of a cache is not an error",
    "PackageResolutionCacheRepo.getOrResolve": "resolves a missing entry",
    "WorkspaceBuildJobRepo.getByLease": isLeased
  },
  "list returns a Page": {
    "BuildQueueRepo.listPauses": isBounded,
    "GitHubWebhookDeliveryRepo.listChanges": isBounded,
    "ControlPlaneEvents.list": "a limit in the request bounds the events of one subject",
    "SandboxAttemptRepo.listByIds": isBounded,
    "SandboxRuntimeInstanceRepo.listByAttemptIds": isBounded,
    "WorkspaceBuildJobRepo.listLatestByAttemptIds": isBounded
  },
  "fails with PersistenceError": {
    "KeyRing.keys": "reads the configuration, not the database",
    "WebhookInbox.run": "retries every PersistenceError"
  },
  "takes one object, or a lease and one more argument": {
    "ControlPlaneEvents.consume": takesHandler,
    "SandboxLifecycle.endRuntime": "the target is a lease, or the id of an attempt",
    "SandboxLifecycle.recordRuntime": "the target is a lease, or the id of an attempt",
    "WebhookInbox.process": takesHandler,
    "WebhookInbox.run": takesHandler
  }
}

/** Returns the conventions that a method breaks. */
const violationsOf = (method: Method): ReadonlyArray<string> => {
  const verb = /^[a-z]+/.exec(method.name)?.[0] ?? ""
  const input = method.parameters.join(", ")
  return Object.entries(conventions).flatMap(([convention, holds]) => (holds(method, verb, input) ? [] : [convention]))
}

describe("the methods of all services", () => {
  it("are those of the contract tests", () => {
    expect(currentServices.map(({ name }) => name).filter((name) => name !== "KeyRing")).toEqual(
      services.map(({ name }) => name).toSorted()
    )
  })

  it("follow the conventions of docs/api.md, except the listed ones", () => {
    const violations = currentServices.flatMap(({ methods, name }) =>
      methods.flatMap((method) => violationsOf(method).map((rule) => `${name}.${method.name}: ${rule}`))
    )
    const allowed = Object.entries(exceptions).flatMap(([rule, methods]) =>
      Object.keys(methods).map((method) => `${method}: ${rule}`)
    )
    expect(violations.toSorted()).toEqual(allowed.toSorted())
  })

  it("are reported when they break a convention", () => {
    const [planted] = readServices(fileURLToPath(new URL("./fixtures/api", import.meta.url)))
    const reported = (planted?.methods ?? []).map((method) => [method.doc, violationsOf(method)])
    expect(reported).toEqual(Object.keys(conventions).map((convention) => [`Breaks: ${convention}.`, [convention]]))
  })

  it("are in docs/api.md", () => {
    const isCurrent = readFileSync(apiDocument, "utf8") === render(currentServices)
    expect(isCurrent, "docs/api.md is stale: run npm run docs:api").toBe(true)
  })
})
