/**
 * What the package exports: every model with its variants, every enumeration, every service with its layer.
 */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema, SchemaAST } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as db from "@sealant/db"
import { layerTest } from "@sealant/db/testing"
import { models } from "../scripts/schema/models.js"

const root = fileURLToPath(new URL("../src", import.meta.url))

/** The names that files of a folder export as enumerations. */
const enumerationsIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      Array.from(
        readFileSync(join(root, folder, file), "utf8").matchAll(/^export const (\w+) = enumeration\(/gm),
        ([, name = ""]) => name
      )
    )

const exported = new Map<string, unknown>(Object.entries(db))

describe("the exports", () => {
  for (const { name, model } of models) {
    it(`${name} has its variants`, () => {
      for (const variant of ["insert", "update", "json", "jsonCreate", "jsonUpdate"])
        expect(Schema.isSchema(Reflect.get(model, variant)), variant).toBe(true)
    })
  }

  it("include every enumeration with its values", () => {
    const names = enumerationsIn("")
    expect(names.length).toBeGreaterThan(30)
    for (const name of names) {
      const schema = exported.get(name)
      expect(Schema.isSchema(schema), name).toBe(true)
      expect(Schema.isSchema(schema) && Reflect.get(schema, "literals"), name).toEqual(
        expect.arrayContaining([expect.any(String)])
      )
    }
  })

  it("include errors with unique identifiers, so that a program's own errors keep their names in OpenAPI", () => {
    const errors = [...exported].filter(([, value]) => typeof value === "function" && value.prototype instanceof Error)
    expect(errors.length).toBeGreaterThan(15)
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
