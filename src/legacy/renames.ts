/**
 * Documents of the predecessor's last SQLite release, which had other names for some keys. The values are the same.
 */
import type { Repaired } from "./repairs.js"
import type { Row } from "./sourceRows.js"

/** A key of an object in a document, by the path of the object, and its current name. */
interface Rename {
  readonly at: ReadonlyArray<string>
  readonly from: string
  readonly to: string
}

const ofSpec: ReadonlyArray<Rename> = [
  { at: ["sources"], from: "sandbox", to: "workspace" },
  { at: ["runtime"], from: "sandboxRoot", to: "workspaceRoot" }
]

const ofResult: ReadonlyArray<Rename> = [
  { at: [], from: "builder", to: "executor" },
  ...ofSpec.map((rename) => ({ ...rename, at: ["buildkit", "imagePlan", "blueprint", ...rename.at] }))
]

/** The renamed keys of documents, by table and column. */
const renames: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<Rename>>>>> = {
  oci_image_build_jobs: { request_payload: ofSpec, result_payload: ofResult },
  sandbox_attempt_snapshots: { user_spec_payload: ofSpec, resolved_spec_payload: ofSpec, blueprint_payload: ofSpec },
  profile_revisions: { config_patch: ofSpec },
  repository_profile_revisions: { run_template: ofSpec }
}

/** Renames the former keys in the documents of a row. Other documents, and texts that are not JSON, stay unchanged. */
export const renameKeys = (table: string, row: Row, repaired: Repaired): void => {
  for (const [column, ofDocument] of Object.entries(renames[table] ?? {})) {
    const before = documentOf(row[column])
    const after = ofDocument.reduce((document, rename) => {
      const renamed = renameKey(document, rename, rename.at)
      if (renamed !== document) repaired(`${column}: ${rename.from} renamed to ${rename.to}`)
      return renamed
    }, before)
    if (after !== before) row[column] = JSON.stringify(after)
  }
}

const documentOf = (text: unknown): unknown => {
  if (typeof text !== "string") return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Returns the document itself if it lacks the key, or has the current name, too. */
const renameKey = (document: unknown, rename: Rename, [key, ...rest]: ReadonlyArray<string>): unknown => {
  const { from, to } = rename
  if (!isObject(document)) return document
  if (key === undefined) {
    if (!Object.hasOwn(document, from) || Object.hasOwn(document, to)) return document
    return Object.fromEntries(Object.entries(document).map(([name, value]) => [name === from ? to : name, value]))
  }
  const child = document[key]
  const renamed = renameKey(child, rename, rest)
  return renamed === child ? document : { ...document, [key]: renamed }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
