/** Removes the bundles, which are written anew, and the types of sources that no longer exist, which an incremental build keeps. */
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const output = join(root, "dist")

for (const path of readdirSync(output, { recursive: true, encoding: "utf8" })) {
  const [, source, isTypes] = /^(.+)(?:(\.d\.ts)|\.js)(?:\.map)?$/.exec(path) ?? []
  if (source !== undefined && (isTypes === undefined || !existsSync(join(root, `${source}.ts`))))
    rmSync(join(output, path))
}
