/**
 * `npm run docs:schema`: writes `docs/schema.md`.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import { migrations } from "../../migrations/index.js"
import * as Database from "../../src/Database.js"
import * as Migrations from "../../src/Migrations.js"
import { descriptions } from "./models.js"
import { readSchema } from "./read.js"
import { render } from "./render.js"

/** The path of the document. */
export const schemaDocument = fileURLToPath(new URL("../../docs/schema.md", import.meta.url))

/** Renders the document from the current migrations and row models. */
export const currentDocument = Effect.map(readSchema, (schema) =>
  render(
    schema,
    descriptions,
    Object.keys(migrations).map((name) => name.slice(5))
  )
).pipe(Effect.provide(Layer.provideMerge(Migrations.layer, Database.layerMemory)))

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(schemaDocument, await Effect.runPromise(currentDocument))
