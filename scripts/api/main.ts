/**
 * `npm run docs:api`: writes `docs/api.md`.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { readServices } from "./read.js"
import { render } from "./render.js"

/** The path of the document. */
export const apiDocument = fileURLToPath(new URL("../../docs/api.md", import.meta.url))

/** The services of the current sources. */
export const currentServices = readServices(fileURLToPath(new URL("../../src", import.meta.url)))

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(apiDocument, render(currentServices))
