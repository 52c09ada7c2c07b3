/**
 * Finishes a build: removes the outputs of sources that no longer exist, which an incremental build keeps, and links
 * `npx sealant-db` to the program of this checkout, because npm links only the programs of dependencies.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const output = join(root, "dist")
const link = join(root, "node_modules", ".bin", "sealant-db")

for (const path of readdirSync(output, { recursive: true, encoding: "utf8" })) {
  const [, source] = /^(.+)(?:\.js|\.d\.ts)(?:\.map)?$/.exec(path) ?? []
  if (source !== undefined && !existsSync(join(root, `${source}.ts`))) rmSync(join(output, path))
}

chmodSync(join(output, "src", "cli", "main.js"), 0o755)
mkdirSync(join(root, "node_modules", ".bin"), { recursive: true })
rmSync(link, { force: true })
symlinkSync(join("..", "..", "dist", "src", "cli", "main.js"), link)
