/**
 * Bundles the programs that tests start as processes. `tsx` would compile every module at each start, which takes seconds of
 * CPU.
 */
import { build } from "esbuild"
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const output = join(root, "build", "programs")

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile())

/** A file below `test` that reads its arguments is a program, unless it is a test or this module. */
const isProgram = (path: string) =>
  path.endsWith(".ts") &&
  !path.endsWith(".test.ts") &&
  path !== fileURLToPath(import.meta.url) &&
  readFileSync(path, "utf8").includes("process.argv")

/** The programs outside `test`. */
const otherPrograms = [
  "src/cli/main.ts",
  "examples/control-plane/main.ts",
  "examples/control-plane/demo.ts",
  "examples/control-plane/worker.ts",
  "examples/telemetry/main.ts",
  "examples/better-auth/main.ts"
].map((path) => join(root, path))

const entryPoints = () => [...filesBelow(join(root, "test")).filter(isProgram), ...otherPrograms]

// CommonJS packages call `require`, which an ES module does not have.
const requireBanner =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'

/** Bundles all programs with their packages, except the engine, which is a native module. Deletes outputs of earlier builds. */
export const buildPrograms = async (): Promise<void> => {
  const { metafile } = await build({
    entryPoints: entryPoints(),
    absWorkingDir: root,
    outdir: output,
    outbase: root,
    bundle: true,
    splitting: true,
    metafile: true,
    external: ["libsql", "@libsql/*"],
    banner: { js: requireBanner },
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning"
  })
  const current = new Set(Object.keys(metafile.outputs).map((path) => resolve(root, path)))
  for (const path of filesBelow(output)) if (!current.has(path)) rmSync(path)
  // The demo reads its specifications from the folder beside it.
  cpSync(join(root, "examples/control-plane/specs"), join(output, "examples/control-plane/specs"), { recursive: true })
}

/** The bundle of a program, for the command line of `node`. */
export const programAt = (source: URL): string =>
  join(output, relative(root, fileURLToPath(source)).replace(/\.ts$/, ".js"))
