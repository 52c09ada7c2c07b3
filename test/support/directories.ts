/**
 * Temporary directories of tests.
 */
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Creates a temporary directory, for tests without a scope. They remove it with `removeDirectory`. */
export const makeTemporaryDirectory = (): string => mkdtempSync(join(tmpdir(), "sealant-db-"))

export const removeDirectory = (path: string): void => rmSync(path, { recursive: true, force: true })

/** A temporary directory that is removed with the scope. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(makeTemporaryDirectory),
  (path) => Effect.sync(() => removeDirectory(path))
)
