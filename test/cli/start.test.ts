/**
 * The modules that `sealant-db` loads at its start. Loading the engine and all commands takes a second of CPU, so a
 * command loads only what it needs.
 */
import { expect, it } from "vitest"
import { build, type Metafile } from "esbuild"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The source files of an output file and of everything that it imports statically. */
const loadedWith = (outputs: Metafile["outputs"], start: string, found = new Set<string>()): ReadonlySet<string> => {
  if (found.has(start)) return found
  found.add(start)
  for (const { kind, path } of outputs[start]?.imports ?? []) {
    if (kind === "import-statement" && outputs[path] !== undefined) loadedWith(outputs, path, found)
  }
  return found
}

it("--version and --help load neither packages nor commands, and each command loads no other one and no client of a server", async () => {
  const { metafile } = await build({
    entryPoints: ["src/cli/main.ts"],
    absWorkingDir: root,
    outdir: "build/start",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "error"
  })
  const files = (entry: string) => {
    const output = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry)?.[0] ?? ""
    const chunks = [...loadedWith(metafile.outputs, output)]
    return {
      sources: new Set(chunks.flatMap((chunk) => Object.keys(metafile.outputs[chunk]?.inputs ?? {}))),
      packages: new Set(
        chunks.flatMap((chunk) =>
          (metafile.outputs[chunk]?.imports ?? [])
            .filter(({ external, kind }) => external === true && kind === "import-statement")
            .map(({ path }) => path)
        )
      )
    }
  }
  const main = files("src/cli/main.ts")
  expect([...main.sources].toSorted()).toEqual(["src/cli/help.ts", "src/cli/main.ts", "src/cli/overview.ts"])
  expect([...main.packages].filter((name) => !name.startsWith("node:"))).toEqual([])

  const start = files("src/cli/start.ts")
  expect(
    [...start.sources].filter(
      (path) => !/^src\/(cli\/|libsql\/(settings|keptConnections)\.ts$|operations\/words\.ts$)/.test(path)
    )
  ).toEqual([])
  for (const name of ["@effect/sql", "libsql", "@effect/cli", "@effect/platform-node"])
    expect(start.packages).not.toContain(name)

  const status = files("src/cli/status.ts")
  expect(status.sources).toContain("src/libsql/Connection.ts")
  for (const path of ["src/cli/jobs.ts", "src/cli/doctor.ts", "src/libsql/remote.ts", "src/secret/publicKey.ts"])
    expect(status.sources).not.toContain(path)
})
