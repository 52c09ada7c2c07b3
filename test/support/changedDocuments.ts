/**
 * Random changes of documents, for property tests that compare decoders with their schemas.
 */
import { FastCheck } from "effect"

type Json = { [key: string]: unknown } | Array<unknown>

const isContainer = (value: unknown): value is Json => typeof value === "object" && value !== null

/** Every object and array inside a document, itself first. */
const containers = (document: unknown): ReadonlyArray<Json> =>
  isContainer(document) ? [document, ...Object.values(document).flatMap(containers)] : []

const strangeValues = FastCheck.oneof(
  FastCheck.jsonValue({ maxDepth: 2 }),
  FastCheck.constantFrom(
    "",
    " ",
    " codex ",
    "harness",
    "git",
    0,
    -1,
    1.5,
    65_536,
    true,
    null,
    [],
    {},
    ["a"],
    { kind: "git" },
    { supported: false }
  )
)

interface Change {
  readonly where: number
  readonly which: number
  readonly how: "replace" | "remove" | "add"
  readonly key: string
  readonly value: unknown
}

/** A random change of a document. */
export const change: FastCheck.Arbitrary<Change> = FastCheck.record({
  where: FastCheck.nat(),
  which: FastCheck.nat(),
  how: FastCheck.constantFrom("replace" as const, "remove" as const, "add" as const),
  key: FastCheck.constantFrom("unknown", "__proto__", "kind", "id", "env", "source"),
  value: strangeValues
})

/** Returns the document, which is changed in place, or the value if the document has no parts. */
export const changed = (document: unknown, { how, key, value, where, which }: Change): unknown => {
  const all = containers(document)
  const target = all[where % Math.max(1, all.length)]
  if (target === undefined) return structuredClone(value)
  const keys = Object.keys(target)
  const name = how === "add" ? key : (keys[which % Math.max(1, keys.length)] ?? key)
  if (how === "remove") Reflect.deleteProperty(target, name)
  else
    Object.defineProperty(target, name, {
      value: structuredClone(value),
      enumerable: true,
      configurable: true,
      writable: true
    })
  return document
}
