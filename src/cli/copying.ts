/**
 * Progress and summary of a copy, for `backup` and `restore`.
 */
import { Option } from "effect"
import type { CopyProgress } from "../Maintenance.js"
import { bytes, type ReportProgress } from "./output.js"

/** Reports the progress of a copy: each step on a terminal, otherwise each phase and each tenth. */
export const copyProgress = (report: ReportProgress) => {
  let lastLine = ""
  return ({ bytes: written, phase, totalBytes }: CopyProgress) => {
    const tenths = totalBytes === 0 ? 0 : Math.floor((10 * written) / totalBytes)
    const line =
      phase === "verifying"
        ? "verifying the copy"
        : `copying ${bytes(totalBytes)}${tenths === 0 ? "" : `, ${tenths}0 %`}`
    const isNew = line !== lastLine
    lastLine = line
    return report(
      phase === "verifying" ? line : `copying ${bytes(written)} of ${bytes(totalBytes)}`,
      isNew ? Option.some(line) : Option.none()
    )
  }
}

/** Summarizes a copy: `1.2 MB, 12 rows in 42 tables, schema 0008_control_plane`. */
export const contentsInWords = (copy: {
  readonly bytes: number
  readonly migration: string
  readonly tables: Readonly<Record<string, number>>
}): string => {
  const counts = Object.values(copy.tables)
  return `${bytes(copy.bytes)}, ${counts.reduce((sum, count) => sum + count, 0)} rows in ${counts.length} tables, schema ${copy.migration}`
}
