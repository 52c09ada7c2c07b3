/**
 * Makes `npx sealant-db` run the program of this checkout: npm links the programs of dependencies, not the package's own.
 */
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const link = join(root, "node_modules", ".bin", "sealant-db")

chmodSync(join(root, "dist", "src", "cli", "main.js"), 0o755)
mkdirSync(join(root, "node_modules", ".bin"), { recursive: true })
rmSync(link, { force: true })
symlinkSync(join("..", "..", "dist", "src", "cli", "main.js"), link)
