/**
 * The package as `npm publish` would send it. Needs a build (`npm run build`), so it is skipped without one.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Packed {
  readonly filename: string
  readonly files: ReadonlyArray<{ readonly path: string }>
}

/** The fields of package.json that a consumer depends on. */
interface PackageJson {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

const packageJson: PackageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const isBuilt = existsSync(join(root, "dist", "cli", "main.js"))

/** Packs the package without its scripts, which would build it again. */
const pack = () => {
  const directory = mkdtempSync(join(tmpdir(), "sealant-db-pack-"))
  try {
    const output = execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", directory], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"]
    })
    const [packed]: ReadonlyArray<Packed> = JSON.parse(output)
    if (packed === undefined) throw new Error("npm pack returned no package")
    return { paths: packed.files.map(({ path }) => path), tarball: readFileSync(join(directory, packed.filename)) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe.skipIf(!isBuilt)("the packed package", () => {
  const { paths, tarball } = isBuilt ? pack() : { paths: [], tarball: Buffer.of() }

  it("contains the program, every export with its types, the docs and the licenses, and nothing else", () => {
    const targets = Object.values(packageJson.exports)
      .flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)))
      .concat(Object.values(packageJson.bin))
      .map((path) => path.replace("./", ""))
    expect(targets.filter((path) => !paths.includes(path))).toEqual([])
    for (const path of ["README.md", "LICENSE", "dist/cli/LICENSES.txt", "docs/operations.md"])
      expect(paths).toContain(path)
    const expected =
      /^(package\.json|README\.md|LICENSE|docs\/[a-z-]+\.md|dist\/(src|migrations)\/.*\.(js|d\.ts)|dist\/cli\/.*\.(js|txt)|dist\/dashboard\/(index\.html|favicon\.svg|theme\.js|assets\/[\w.-]+))$/
    expect(paths.filter((path) => !expected.test(path))).toEqual([])
    expect(paths.filter((path) => path.startsWith("dist/src/cli/"))).toEqual([])
  })

  it("has no problem that publint finds", async () => {
    const { messages, pkg } = await publint({
      pack: {
        tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) as ArrayBuffer
      },
      level: "warning"
    })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })
})

describe("package.json", () => {
  it("names programs as npm stores them, so that publishing corrects nothing", () => {
    expect(Object.values(packageJson.bin).filter((path) => path.startsWith("./"))).toEqual([])
  })

  it("lists every package that the sources import, and no other one", () => {
    const imported = new Set<string>()
    const sources = execFileSync("git", ["ls-files", "src", "migrations"], { cwd: root, encoding: "utf8" })
      .trim()
      .split("\n")
    for (const path of sources.filter((path) => path.endsWith(".ts") && !path.startsWith("src/cli/"))) {
      if (!existsSync(join(root, path))) continue
      const text = readFileSync(join(root, path), "utf8").replaceAll(/^\s*\*.*$/gm, "")
      for (const [, name = ""] of text.matchAll(
        /^(?:(?:import|export|\}) ?[^"]*from |.*\bimport\()"((?:@[^/"]+\/)?[^./"][^/"]*)[^"]*"/gm
      ))
        if (!name.startsWith("node:")) imported.add(name)
    }
    const { dependencies, peerDependencies } = packageJson
    expect([...imported].toSorted()).toEqual(Object.keys({ ...dependencies, ...peerDependencies }).toSorted())
  })
})
