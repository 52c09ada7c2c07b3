/**
 * `npm run docs:sql`: writes `docs/sql.md`.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { planner } from "./plans.js"
import { recordMethods } from "./record.js"
import { render } from "./render.js"

/** The path of the document. */
export const sqlDocument = fileURLToPath(new URL("../../docs/sql.md", import.meta.url))

/** Renders the document from the statements that the services run now. */
export const currentDocument = Effect.scoped(Effect.zipWith(recordMethods, planner, render))

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(sqlDocument, await Effect.runPromise(currentDocument))
