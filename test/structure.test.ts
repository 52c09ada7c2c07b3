/**
 * The import rules of docs/architecture.md, type imports included.
 */
import { expect, it } from "@effect/vitest"
import { cruise, type IForbiddenRuleType } from "dependency-cruiser"
import { readdirSync } from "node:fs"

/** Folders that features import. */
const shared = ["libsql", "migration", "payloads", "sql"]

/** Folders that import features. */
const aboveFeatures = ["better-auth", "cli", "dashboard", "legacy", "operations", "testing"]

/** All other folders of `src`, new ones included. */
const features = readdirSync(new URL("../src", import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && ![...shared, ...aboveFeatures].includes(entry.name))
  .map(({ name }) => name)

/** Forbids imports from a folder to any other part of `src` than the named ones. */
const only = (folder: string, ...allowed: ReadonlyArray<string>): IForbiddenRuleType => ({
  name: `${folder} imports only ${allowed.join(", ") || "itself"}`,
  from: { path: `^src/${folder}/` },
  to: { path: "^src/", pathNot: [folder, ...allowed].map((part) => `^src/${part}`) }
})

const rules: Array<IForbiddenRuleType> = [
  { name: "no cycles", from: {}, to: { circular: true } },
  only("libsql"),
  only("sql", "Errors.ts", "libsql/"),
  only("migration", "Errors.ts", "libsql/", "sql/"),
  only("payloads", "sql/decoder.ts"),
  only("leasing", "Database.ts", "Errors.ts", "libsql/", "sql/"),
  {
    name: "features import neither operations nor the programs above them",
    from: { path: `^src/(${features.join("|")})/` },
    to: {
      path: `^src/(${aboveFeatures.join("|")})/|^src/(index|ControlPlane|LegacyImport|Maintenance|Retention)\\.ts$`
    }
  },
  {
    name: "only the CLI imports the Dashboard",
    from: { path: "^src/", pathNot: "^src/(cli|dashboard)/" },
    to: { path: "^src/dashboard/" }
  },
  {
    name: "nothing imports the CLI or the test helpers",
    from: { path: "^src/", pathNot: "^src/(cli|testing)/" },
    to: { path: "^src/(cli|testing)/" }
  }
]

it("imports follow the rules of docs/architecture.md", async () => {
  const { output } = await cruise(["src"], {
    validate: true,
    ruleSet: { forbidden: rules },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { extensions: [".ts"] }
  })
  if (typeof output === "string") throw new Error(output)
  expect(output.summary.totalCruised).toBeGreaterThan(200)
  expect(
    output.summary.violations.map(
      ({ cycle, from, rule, to }) => `${rule.name}: ${[from, ...(cycle?.map(({ name }) => name) ?? [to])].join(" -> ")}`
    )
  ).toEqual([])
})
