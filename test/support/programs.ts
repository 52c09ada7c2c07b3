/**
 * The programs that tests start as processes of their own. They are bundled once, before the first test: `tsx` would
 * compile every module again at each start, which takes seconds of CPU.
 */
import { build } from "esbuild"
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const output = join(root, "build", "programs")

/** A file below `test` that reads its arguments is a program, unless it is a test. */
const isProgram = (path: string) =>
  path.endsWith(".ts") && !path.endsWith(".test.ts") && readFileSync(path, "utf8").includes("process.argv")

const entryPoints = () => {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }).map((path) =>
    join(root, "test", path)
  )
  return [...files.filter(isProgram), join(root, "src", "cli", "main.ts")]
}

// CommonJS packages call `require`, which an ES module does not have.
const requireBanner =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'

/** Bundles all programs with their packages, except the engine, which is a native module. */
export const buildPrograms = () =>
  build({
    entryPoints: entryPoints(),
    outdir: output,
    outbase: root,
    bundle: true,
    splitting: true,
    external: ["libsql", "@libsql/*"],
    banner: { js: requireBanner },
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning"
  })

/** The bundle of a program, for the command line of `node`. */
export const programAt = (source: URL): string =>
  join(output, relative(root, fileURLToPath(source)).replace(/\.ts$/, ".js"))
