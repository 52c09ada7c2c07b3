/**
 * The schema of the database as diagrams, one for each of its parts.
 */
import { useState } from "react"
import { useApi } from "../lib/queries.js"
import { counted } from "../lib/text.js"
import { Card, Empty, Failure, SkeletonBlock } from "./basics.js"
import { Diagram } from "./Diagram.js"
import { SelectFilter } from "./filters.js"

const zooms = [0.5, 0.75, 1, 1.5]

export const Diagrams = () => {
  const { data, error } = useApi("database", "diagrams", {}, { live: false })
  const [name, setName] = useState<string>()
  const [zoom, setZoom] = useState(0.75)
  if (error !== null) return <Failure error={error} />
  if (data === undefined) return <SkeletonBlock height={480} />
  const shown = data.find((diagram) => diagram.name === name) ?? data[0]
  if (shown === undefined) return <Empty icon="database" title="The database has no tables" />
  return (
    <Card
      actions={
        <span className="actions">
          <SelectFilter
            label="Part of the schema"
            onChange={setName}
            options={data.map((diagram) => [diagram.name, diagram.name] as const)}
            value={shown.name}
          />
          <SelectFilter
            label="Size"
            onChange={(value) => setZoom(Number(value))}
            options={zooms.map((value) => [String(value), `${value * 100} %`] as const)}
            value={String(zoom)}
          />
        </span>
      }
      flush
      title={`${shown.name}, ${counted(shown.tables.length, "table")}`}
    >
      <Diagram label={`Diagram of ${shown.tables.join(", ")}`} text={shown.mermaid} zoom={zoom} />
    </Card>
  )
}
