/**
 * Checks the types of the packed package with every way of resolving modules that consumers use
 * (https://arethetypeswrong.github.io). Takes half a minute, so it is not a test.
 */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const directory = mkdtempSync(join(tmpdir(), "sealant-db-pack-"))

try {
  execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", directory], { cwd: root, stdio: "ignore" })
  const tarballs = readdirSync(directory).map((name) => readFileSync(join(directory, name)))
  const [tarball] = tarballs
  if (tarball === undefined) throw new Error("npm pack wrote no file")
  const result = await checkPackage(createPackageFromTarballData(tarball))
  if (result.types === false) throw new Error("the package has no types")
  // The package is only an ES module, and its subpaths need `exports`, which `node10` does not read.
  const problems = result.problems.filter(
    (problem) =>
      problem.kind !== "CJSResolvesToESM" && !("resolutionKind" in problem && problem.resolutionKind === "node10")
  )
  for (const problem of problems) process.stderr.write(`${JSON.stringify(problem)}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  rmSync(directory, { recursive: true })
}
