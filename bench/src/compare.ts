/**
 * Opens the contestants of a case in a temporary directory, measures them, and removes the directory.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Entry, type Failure, failureOf, measure, type Plan, type Result } from "./measure.js"

/** A contestant of one case, before it is opened. */
export interface Contender {
  readonly name: string
  readonly open: (directory: string, index: number) => Promise<Opened>
}

export interface Opened {
  readonly entry: Omit<Entry, "name">
  readonly close: () => Promise<void>
}

/** Measures the contenders. One that cannot be opened has failed; the others are measured regardless. */
export const compare = async (contenders: ReadonlyArray<Contender>, plan: Plan): Promise<ReadonlyArray<Result>> => {
  const directory = mkdtempSync(join(tmpdir(), "sealant-bench-"))
  const closing: Array<() => Promise<void>> = []
  try {
    const entries: Array<Entry | Failure> = []
    for (const [index, { name, open }] of contenders.entries()) {
      try {
        const { close, entry } = await open(directory, index)
        closing.push(close)
        entries.push({ name, ...entry })
      } catch (error) {
        entries.push(failureOf(name, error))
      }
    }
    const measured = await measure(
      entries.flatMap((entry) => ("failure" in entry ? [] : [entry])),
      plan
    )
    return contenders.flatMap(({ name }) => {
      const failed = entries.flatMap((entry) => ("failure" in entry ? [entry] : []))
      return [...failed, ...measured].find((result) => result.name === name) ?? []
    })
  } finally {
    // An error while closing must not lose the results.
    await Promise.allSettled(closing.map((close) => close()))
    rmSync(directory, { recursive: true, force: true })
  }
}
