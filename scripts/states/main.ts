/**
 * `npm run docs:states`: writes `docs/states.md`.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { descriptions } from "../schema/models.js"
import { render } from "./render.js"

/** The path of the document. */
export const statesDocument = fileURLToPath(new URL("../../docs/states.md", import.meta.url))

/** Renders the document from the state machines of the current row models. */
export const currentDocument = () => render([...descriptions.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)))

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(statesDocument, currentDocument())
