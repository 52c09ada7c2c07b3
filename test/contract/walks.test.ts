/**
 * Calls every method of every service: valid calls succeed, other owners get nothing, invalid input fails or succeeds without
 * a partial write, and no input value appears in an error, a span or a log.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Redacted } from "effect"
import * as db from "@sealant/db"
import { isPlainObject } from "../../src/sql/inputLimits.js"
import { sharedFixture } from "./fixture.js"
import { services } from "./services.js"
import { attempt, attemptRefused, dump, type Outcome, outcomeOf, placesOf, shown } from "./walk.js"
import { privateIds } from "./fixtureRows.js"
import { inTurn } from "../support/volume.js"

interface Ended {
  readonly outcome: Outcome
}

const died = ({ outcome }: Ended) => Exit.isFailure(outcome) && Option.isSome(Cause.dieOption(outcome.cause))

/** The fields of arguments that name rows: an id or several with their owner, and leases. An absent owner has no rows. */
const references = [
  "id,ownerUserId",
  "attemptIds,ownerUserId",
  "ids,ownerUserId",
  "ownerUserId,secretId",
  "jobId,token,workerId",
  "deliveryId,token,workerId",
  "teardownId,token,workerId"
]

/** Returns whether an argument is a request. `resolve` is a function, so `getOrResolve` has typed callers only. */
const isRequest = (value: unknown): value is Readonly<Record<string, unknown>> =>
  isPlainObject(value) && !("resolve" in value) && !references.includes(Object.keys(value).toSorted().join())

const isOwner = (path: string) => /\.(ownerUserId|userId)$/.test(path)

const errorOf = ({ outcome }: Ended) =>
  Exit.isFailure(outcome) ? Option.getOrUndefined(Cause.failureOption(outcome.cause)) : undefined

/** Invalid values of the same type as the value at a place, if there are any. */
const wrongValues = (path: string, value: unknown): ReadonlyArray<unknown> => {
  if (typeof value === "string") return ["", "x".repeat(1_000_000), "a\0b", "a\uD800b", "unheard-of"]
  if (typeof value === "number") return [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]
  if (typeof value === "boolean") return ["yes"]
  if (Redacted.isRedacted(value)) return ["", "x".repeat(1_000_000), "a\0b"].map((wrong) => Redacted.make(wrong))
  if (Array.isArray(value))
    return [
      // One more than most lists of fields accept (docs/limits.md).
      Array.from({ length: 1001 }, (_, index) => (typeof value[0] === "string" ? `${value[0]}${index}` : value[0]))
    ]
  const isDocument = /payload|details|inlineJson|snapshot|config|template|permissions/i.test(path)
  return isDocument ? [{ count: Number.NaN }, { text: "a\uD800b" }, { missing: undefined }, { big: 2n }] : []
}

/** An id is branded text. The database rejects one that no schema checks. */
const isForeignId = (path: string, { cause }: db.PersistenceError) =>
  cause === "SEALANT_UNSUPPORTED_VALUE" && /(^\d+|\.\d+|[iI]d)$/.test(path)

const sentinel = "correct-horse-battery-staple"

/** Ids and keys may appear in errors and spans, to identify a row. */
const isShown = (path: string) => /(^\d+|\.\d+|[iI]d|[kK]ey|consumer|status|statuses|query)$/.test(path)

const sentinels = (value: unknown): ReadonlyArray<unknown> => {
  const texts = [sentinel, `${sentinel}\0`, sentinel.repeat(40_000)]
  if (typeof value === "string") return texts
  return Redacted.isRedacted(value) ? texts.map((text) => Redacted.make(text)) : []
}

/** Without an owner, the job belongs to the owner of its attempt. */
const isOptionalOwner = (method: string) => method === "enqueue"

const withFixture = sharedFixture()

describe.each(services)("$name", (service) => {
  const withService = withFixture(service)

  it.effect("has a valid sample for each method", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        expect(samples.map(([method]) => method).toSorted()).toEqual(Object.keys(instance).toSorted())
        for (const [method, args] of samples) {
          const outcome = yield* outcomeOf(instance, method, args)
          expect(
            Exit.isSuccess(outcome) || Cause.isInterruptedOnly(outcome.cause),
            `${method}: ${Exit.isFailure(outcome) ? Cause.pretty(outcome.cause) : ""}`
          ).toBe(true)
        }
      })
    )
  )

  it.effect("shows another owner nothing and changes nothing for them", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        const before = yield* dump
        const ids = yield* privateIds
        for (const [method, args] of samples) {
          for (const { path, replacedBy } of placesOf(args).filter(({ path }) => isOwner(path))) {
            const { after, outcome } = yield* attempt(instance, method, replacedBy("eve"))
            expect(
              Exit.isFailure(outcome) && Option.isSome(Cause.dieOption(outcome.cause)),
              `${method} ${path} died`
            ).toBe(false)
            if (Exit.isSuccess(outcome)) {
              const answer = JSON.stringify(outcome.value) ?? ""
              expect(
                ids.filter((id) => answer.includes(`"${id}"`)),
                `${method} ${path} answers`
              ).toEqual([])
            }
            expect(
              [...before].filter((row) => !after.has(row)),
              `${method} ${path} changes`
            ).toEqual([])
          }
        }
      })
    )
  )

  it.effect("refuses an unknown field of a request", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        const accepted: Array<string> = []
        for (const [method, args] of samples) {
          for (const [index, request] of args.entries()) {
            if (!isRequest(request)) continue
            const outcome = yield* outcomeOf(instance, method, args.with(index, { ...request, unheardOf: 1 }))
            if (!(errorOf({ outcome }) instanceof db.InvalidInput)) accepted.push(method)
          }
        }
        expect(accepted).toEqual([])
      })
    )
  )

  it.effect("does the same for the id of a row with other fields, unless it refuses them as unknown", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        const different: Array<string> = []
        for (const [method, args] of samples) {
          const [by] = args
          if (!isPlainObject(by)) continue
          const withMore = { ...by, unheardOf: 1 }
          if (isRequest(by)) continue
          const [plain, more] = yield* Effect.all([
            attempt(instance, method, args),
            attempt(instance, method, args.with(0, withMore))
          ])
          const outcomes = [plain, more].map(({ outcome }) => [
            Exit.isSuccess(outcome),
            JSON.stringify(errorOf({ outcome }))
          ])
          if (errorOf(more) instanceof db.InvalidInput) continue
          if (String(outcomes[0]) !== String(outcomes[1]) || plain.after.size !== more.after.size)
            different.push(method)
        }
        expect(different).toEqual([])
      })
    )
  )

  it.effect("treats a missing owner as an owner without rows", () =>
    withService((instance, samples) =>
      Effect.gen(function* () {
        const before = yield* dump
        const ids = yield* privateIds
        const wrong: Array<string> = []
        for (const [method, args] of samples) {
          for (const { path, replacedBy } of placesOf(args).filter(({ path }) => isOwner(path))) {
            for (const lost of isOptionalOwner(method) ? [null, ""] : [undefined, null, ""]) {
              const trial = yield* attempt(instance, method, replacedBy(lost))
              const error = errorOf(trial)
              const what = `${method} ${path} ${JSON.stringify(lost)}`
              if (Exit.isSuccess(trial.outcome)) {
                const answer = JSON.stringify(trial.outcome.value) ?? ""
                if (ids.some((id) => answer.includes(`"${id}"`))) wrong.push(`${what}: answers`)
              } else if (
                !(
                  error instanceof db.InvalidInput ||
                  error instanceof db.NotFound ||
                  (error instanceof db.PersistenceError && isForeignId(path, error))
                )
              ) {
                wrong.push(`${what}: ${Cause.pretty(trial.outcome.cause).slice(0, 200)}`)
              } else if (trial.after.size !== before.size) wrong.push(`${what}: half a write`)
              if ([...before].some((row) => !trial.after.has(row))) wrong.push(`${what}: changes`)
            }
          }
        }
        expect(wrong).toEqual([])
      })
    )
  )

  it.effect(
    "handles invalid input without a partial write: succeeds or fails with a declared error",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          const before = yield* dump
          const wrong: Array<string> = []
          for (const [method, args] of samples) {
            for (const [turn, { path, replacedBy, value }] of placesOf(args).entries()) {
              for (const [index, other] of inTurn([...wrongValues(path, value).entries()], 2, turn)) {
                const trial = yield* attemptRefused(instance, method, replacedBy(other))
                const error = errorOf(trial)
                const what = `${method} ${path} #${index}`
                if (died(trial))
                  wrong.push(
                    `${what}: died ${Exit.isFailure(trial.outcome) ? Cause.pretty(trial.outcome.cause).slice(0, 200) : ""}`
                  )
                else if (error instanceof db.PersistenceError && !isForeignId(path, error))
                  wrong.push(`${what}: ${error.message}`)
                if (error instanceof db.NotFound && /\s/.test(error.id)) wrong.push(`${what}: ${error.id} is not an id`)
                if (error !== undefined && [...(trial.after ?? [])].some((row) => !before.has(row)))
                  wrong.push(`${what}: half a write`)
              }
            }
          }
          expect(wrong).toEqual([])
        })
      ),
    120_000
  )

  it.effect(
    "shows no input value in an error, a span or a log",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          for (const [method, args] of samples) {
            const places = placesOf(args).filter(({ path }) => !isShown(path))
            for (const [turn, { path, replacedBy, value }] of places.entries()) {
              for (const secret of inTurn(sentinels(value), 1, turn)) {
                const text = yield* shown(instance, method, replacedBy(secret))
                expect(text.includes(sentinel), `${method} ${path}`).toBe(false)
              }
            }
          }
        })
      ),
    120_000
  )
})
