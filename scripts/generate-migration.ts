/**
 * `npm run db:generate -- NAME`: creates `migrations/NNNN_name.ts` with the next number and registers it in
 * `migrations/index.ts`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { migrationName, nameOf } from "../src/migration/record.js"

/** The arguments are wrong: not exactly one name, or an invalid name. */
export class UsageError extends Error {}

const directoryOfMigrations = fileURLToPath(new URL("../migrations", import.meta.url))

// Reserved words, which cannot name an import. Those that no migration would be called are missing.
const reserved =
  /^(await|break|case|catch|class|const|continue|default|delete|do|else|enum|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield)$/

/**
 * Creates the next migration and returns its name, such as `0009_more_colours`.
 *
 * Throws `UsageError` if the name is not in snake_case or is already used, and `Error` if the files and the index do
 * not match or cannot be written.
 */
export const generateMigration = (label: string, directory = directoryOfMigrations): string => {
  if (!migrationName.test(`0001_${label}`)) {
    throw new UsageError(
      `the name of a migration is in snake_case, as add_sandbox_labels: ${JSON.stringify(label)} is not`
    )
  }
  const existing = readdirSync(directory)
    .map((file) => file.replace(/\.ts$/, ""))
    .filter((name) => migrationName.test(name))
    .toSorted()
  const taken = existing.find((name) => name.slice(5) === label)
  if (taken !== undefined) throw new UsageError(`a migration of this name already exists: ${taken}`)
  const indexFile = join(directory, "index.ts")
  const index = readFileSync(indexFile, "utf8")
  const name = nameOf(Number(existing.at(-1)?.slice(0, 4) ?? 0) + 1, label)
  const registered = register(index, existing, name, label)
  writeFileSync(join(directory, `${name}.ts`), scaffold, { flag: "wx" })
  writeFileSync(indexFile, registered)
  return name
}

const scaffold = `/**
 * TODO: the change and its reason.
 */
export default \`
-- Plain SQL statements, each ended by a semicolon; see index.ts for the conventions.
\`
`

/** Returns the text of the index with the migration added to its imports and its record. */
const register = (index: string, existing: ReadonlyArray<string>, name: string, label: string): string => {
  const imports = [...index.matchAll(/^import (\w+) from "\.\/(\d{4}_\w+)\.js"$/gm)]
  const entries = [...index.matchAll(/^ {2}"(\d{4}_\w+)": \w+(,?)$/gm)]
  const lastImport = imports.at(-1)
  const lastEntry = entries.at(-1)
  const inOrder = (names: ReadonlyArray<string | undefined>) =>
    names.length === existing.length && names.every((known, position) => known === existing[position])
  if (
    lastImport === undefined ||
    lastEntry === undefined ||
    !inOrder(imports.map(([, , file]) => file)) ||
    !inOrder(entries.map(([, key]) => key))
  ) {
    throw new Error(
      "index.ts and the files beside it do not list the same migrations in the same order: correct index.ts first"
    )
  }
  const camelCase = label.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  const unusable = reserved.test(camelCase) || imports.some(([, identifier]) => identifier === camelCase)
  const identifier = unusable ? `${camelCase}Migration` : camelCase
  const entry = lastEntry[0].endsWith(",") ? lastEntry[0] : `${lastEntry[0]},`
  return index
    .replace(lastImport[0], `${lastImport[0]}\nimport ${identifier} from "./${name}.js"`)
    .replace(lastEntry[0], `${entry}\n  "${name}": ${identifier}${lastEntry[2]}`)
}

const main = (args: ReadonlyArray<string>): void => {
  try {
    const [label] = args
    if (label === undefined || args.length !== 1) throw new UsageError("usage: npm run db:generate -- NAME")
    const name = generateMigration(label)
    console.log(`created migrations/${name}.ts and registered it in migrations/index.ts`)
    console.log("next: write its statements, then run npm test")
  } catch (error) {
    console.error(`db:generate: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2))
