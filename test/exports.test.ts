/**
 * The exports of the package: services, layers, models and errors from the root, everything else from the subpaths of
 * the features.
 */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema, SchemaAST } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as db from "@sealant/db"
import packageJson from "../package.json" with { type: "json" }
import { layerTest } from "@sealant/db/testing"
import { models } from "../scripts/schema/models.js"

const root = fileURLToPath(new URL("../src", import.meta.url))

/** The folders of the subpaths, such as `sandbox` for `@sealant/db/sandbox`. */
const subpaths = Object.keys(packageJson.exports)
  .filter((path) => path !== "." && path !== "./package.json")
  .map((path) => path.slice(2))

/** The names that the files of a folder export as enumerations. */
const enumerationsIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      Array.from(
        readFileSync(join(root, folder, file), "utf8").matchAll(/^export const (\w+) = enumeration\(/gm),
        ([, name = ""]) => name
      )
    )

/** The names that a file exports in lists and as namespaces, types included. */
const namesIn = (file: string) =>
  Array.from(
    readFileSync(join(root, file), "utf8").matchAll(/^export (?:type )?(?:\* as (\w+)|\{([^}]*)\})/gm),
    ([, namespace, list = ""]) => namespace ?? list.split(",")
  )
    .flat()
    .map((name) => name.trim().replace(/^type /, ""))
    .filter((name) => name !== "")

const exported = new Map<string, unknown>(Object.entries(db))

const isError = (value: unknown) => typeof value === "function" && value.prototype instanceof Error

/** Exports of the root that are neither services, models, errors nor modules. */
const others = [
  "ById",
  "OwnedId",
  "Page",
  "PageRequest",
  "Row",
  "StateMachine",
  "Wait",
  "Waits",
  "LeaseLostReason",
  "PersistenceErrorReason"
]

describe("the exports", () => {
  for (const { name, model } of models) {
    it(`${name} has its variants`, () => {
      for (const variant of ["insert", "update", "json", "jsonCreate", "jsonUpdate"])
        expect(Schema.isSchema(Reflect.get(model, variant)), variant).toBe(true)
    })
  }

  it("of the root are at most 150 services, modules, models and errors", () => {
    const names = namesIn("index.ts")
    expect(names.length).toBeGreaterThan(80)
    expect(names.length).toBeLessThanOrEqual(150)
    const modelNames = models.map(({ name }) => name)
    const odd = names.filter((name) => {
      const value = exported.get(name)
      const isModule = Reflect.get(Object(value), Symbol.toStringTag) === "Module"
      const isRow =
        modelNames.includes(name) || name === "IssueWorkflowExecutionEnd" || name === "SecretVersionMetadata"
      return !(Context.isTag(value) || isModule || isRow || isError(value) || others.includes(name))
    })
    expect(odd).toEqual([])
  })

  it("of each subpath include all that the root exports from the same folder", async () => {
    for (const folder of subpaths.filter((path) => path !== "testing" && path !== "payloads")) {
      const own = Object.keys(await import(`../src/${folder}/index.ts`))
      const fromRoot = readFileSync(join(root, "index.ts"), "utf8").matchAll(
        new RegExp(`^export \\{([^}]*)\\} from "\\./${folder}/`, "gm")
      )
      const names = Array.from(fromRoot, ([, list = ""]) => list.split(",").map((name) => name.trim())).flat()
      expect(
        names.filter((name) => !own.includes(name)),
        folder
      ).toEqual([])
    }
  })

  it("include every enumeration with its values", async () => {
    const folders = [...subpaths, "legacy"]
    const found = await Promise.all(
      folders.map(async (folder) => {
        const own: object = folder === "legacy" ? db.LegacyImport : await import(`../src/${folder}/index.ts`)
        return enumerationsIn(folder).map((name) => [name, Reflect.get(own, name) ?? exported.get(name)] as const)
      })
    )
    expect(found.flat().length).toBeGreaterThan(30)
    for (const [name, schema] of found.flat()) {
      expect(Schema.isSchema(schema), name).toBe(true)
      expect(Schema.isSchema(schema) && Reflect.get(schema, "literals"), name).toEqual(
        expect.arrayContaining([expect.any(String)])
      )
    }
  })

  it("include errors with unique identifiers, so that a program's own errors keep their names in OpenAPI", () => {
    const errors = [...exported].filter(([, value]) => typeof value === "function" && value.prototype instanceof Error)
    expect(errors.length).toBeGreaterThanOrEqual(15)
    for (const [name, error] of errors) {
      if (!Schema.isSchema(error)) continue
      const identifier = SchemaAST.getIdentifierAnnotation(Schema.typeSchema(error as Schema.Schema<unknown>).ast)
      expect(Option.getOrNull(identifier), name).toBe(`@sealant/db/${name}`)
    }
  })

  it.effect("include a layer for every service, and the layer of everything contains them all", () =>
    Effect.gen(function* () {
      const everything = yield* Effect.context<never>()
      for (const [name, value] of exported) {
        if (!Context.isTag(value)) continue
        expect(Context.getOption(everything, value)._tag, name).toBe("Some")
        const layer: unknown = Reflect.get(value, "layer")
        expect(Layer.isLayer(layer) || typeof layer === "function", name).toBe(true)
      }
    }).pipe(Effect.provide(layerTest))
  )
})
