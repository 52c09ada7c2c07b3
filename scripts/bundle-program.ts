/**
 * Bundles `sealant-db` with its packages, except the native engine, to `dist/cli`, and links `npx sealant-db` to it in
 * this checkout, because npm links only the programs of dependencies.
 *
 * A bundle starts in a tenth of the time, and programs that use this package need none of the packages of the command
 * line. Each command is a chunk of its own, which is loaded when it is run.
 */
import { build, type Metafile } from "esbuild"
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const output = join(root, "dist", "cli")
const program = join(output, "main.js")

// CommonJS packages call `require`, which an ES module does not have.
const requireBanner =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'

/** The packages in the bundle: their directories below `node_modules`. */
const packagesIn = ({ inputs }: Metafile): ReadonlyArray<string> => {
  const directories = Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])
  return [...new Set(directories)].toSorted()
}

/** The license of a package. Licenses require that copies contain their text. */
const licenseOf = (directory: string): string => {
  const path = join(root, directory)
  const file = readdirSync(path).find((name) => /^(licen[sc]e|copying)/i.test(name))
  const { license }: { license?: unknown } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"))
  const text = file === undefined ? `License: ${String(license)}` : readFileSync(join(path, file), "utf8").trim()
  return `${directory.replace(/^.*node_modules\//, "")}\n\n${text}\n`
}

const { metafile } = await build({
  entryPoints: [join(root, "src", "cli", "main.ts")],
  absWorkingDir: root,
  outdir: output,
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  metafile: true,
  external: ["libsql"],
  banner: { js: requireBanner },
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "warning"
})
writeFileSync(
  join(output, "LICENSES.txt"),
  packagesIn(metafile)
    .map(licenseOf)
    .join(`\n${"-".repeat(80)}\n\n`)
)

const link = join(root, "node_modules", ".bin", "sealant-db")
chmodSync(program, 0o755)
mkdirSync(join(root, "node_modules", ".bin"), { recursive: true })
rmSync(link, { force: true })
symlinkSync(join("..", "..", "dist", "cli", "main.js"), link)
