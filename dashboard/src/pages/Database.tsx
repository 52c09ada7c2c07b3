/**
 * The database: tables, diagrams, migrations, retention, backups, keys and health.
 */
import * as Tabs from "@radix-ui/react-tabs"
import { lazy, Suspense } from "react"
import { useList } from "../lib/search.js"
import { SkeletonBlock } from "../ui/basics.js"
import { Page } from "../ui/Page.js"
import { Backups, HealthTab, Keys, Migrations, Retention, Tables } from "../ui/database.js"

const Diagrams = lazy(async () => ({ default: (await import("../ui/Diagrams.js")).Diagrams }))

const tabs = [
  ["tables", "Tables", Tables],
  ["schema", "Schema", Diagrams],
  ["migrations", "Migrations", Migrations],
  ["retention", "Retention", Retention],
  ["backups", "Backups", Backups],
  ["keys", "Keys", Keys],
  ["health", "Health", HealthTab]
] as const

export const Database = () => {
  const { search, setFilters } = useList()
  return (
    <Page title="Database">
      <Tabs.Root
        onValueChange={(tab) => setFilters({ tab: tab === "tables" ? "" : tab })}
        value={search.tab ?? "tables"}
      >
        <Tabs.List aria-label="Parts of the database" className="tabs">
          {tabs.map(([id, label]) => (
            <Tabs.Trigger className="tab" key={id} value={id}>
              {label}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {tabs.map(([id, , Content]) => (
          <Tabs.Content className="stack" key={id} value={id}>
            <Suspense fallback={<SkeletonBlock height={420} />}>
              <Content />
            </Suspense>
          </Tabs.Content>
        ))}
      </Tabs.Root>
    </Page>
  )
}
