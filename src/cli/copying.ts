/**
 * What `backup` and `restore` share: how far a copy is.
 */
import { type Effect, Option } from "effect"
import type { CopyProgress } from "../Maintenance.js"
import { bytes } from "./output.js"

/** Tells of a copy: each step on a terminal, each phase and each tenth elsewhere. */
export const copyProgress = (tell: (now: string, line: Option.Option<string>) => Effect.Effect<void>) => {
  let told = ""
  return ({ bytes: written, phase, totalBytes }: CopyProgress) => {
    const tenths = totalBytes === 0 ? 0 : Math.floor((10 * written) / totalBytes)
    const line = phase === "verifying" ? "verifying the copy" : `copying ${bytes(totalBytes)}${tenths === 0 ? "" : `, ${tenths}0 %`}`
    const isNew = line !== told
    told = line
    return tell(phase === "verifying" ? line : `copying ${bytes(written)} of ${bytes(totalBytes)}`, isNew ? Option.some(line) : Option.none())
  }
}

/** What a copy holds, in words: `1.2 MB, 12 rows in 42 tables, schema 0008_control_plane`. */
export const contentsInWords = (
  copy: { readonly bytes: number; readonly migration: string; readonly tables: Readonly<Record<string, number>> }
): string => {
  const counts = Object.values(copy.tables)
  return `${bytes(copy.bytes)}, ${counts.reduce((sum, count) => sum + count, 0)} rows in ${counts.length} tables, schema ${copy.migration}`
}
