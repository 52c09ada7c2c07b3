/**
 * Links `npx sealant-db` to the program of this checkout, because npm links only the programs of dependencies.
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
