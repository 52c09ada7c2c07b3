/**
 * Documents behind a click. The server has no endpoint for them in read-only mode or with `--no-payloads`.
 */
import type { UseQueryResult } from "@tanstack/react-query"
import { type ReactNode, useState } from "react"
import { useConfig } from "../lib/queries.js"
import { Card, Empty, Failure, SkeletonBlock } from "./basics.js"
import { JsonView } from "./JsonView.js"

/** The part of a result that is a document, and its name. */
export type Documents = ReadonlyArray<readonly [name: string, json: string | undefined]>

const Loaded = ({ query, read }: { readonly query: () => UseQueryResult<Documents>; readonly read: ReactNode }) => {
  const { data, error, refetch } = query()
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />
  if (data === undefined) return <SkeletonBlock height={120} />
  const present = data.flatMap(([name, json]) => (json === undefined ? [] : [{ name, json }]))
  if (present.length === 0) return <>{read}</>
  return (
    <div className="grid">
      {present.map(({ json, name }) => (
        <div key={name}>
          {present.length > 1 ? <h3 className="doc-name">{name}</h3> : null}
          <JsonView json={json} label={name} />
        </div>
      ))}
    </div>
  )
}

/** A card with a button that reads documents and shows them. `useDocuments` is a hook, called after the click. */
export const PayloadCard = ({
  empty,
  title,
  useDocuments
}: {
  readonly title: string
  readonly empty: string
  readonly useDocuments: () => UseQueryResult<Documents>
}) => {
  const config = useConfig()
  const [shown, setShown] = useState(false)
  if (config?.payloads !== true)
    return (
      <Card title={title}>
        <p className="muted">This Dashboard does not show documents: it runs read-only or with --no-payloads.</p>
      </Card>
    )
  return (
    <Card
      actions={
        <button aria-expanded={shown} className="button small" onClick={() => setShown(!shown)} type="button">
          {shown ? "Hide payload" : "Show payload"}
        </button>
      }
      title={title}
    >
      {shown ? (
        <Loaded query={useDocuments} read={<Empty short title={empty} />} />
      ) : (
        <p className="muted">Documents may be confidential. They are read when they are shown.</p>
      )}
    </Card>
  )
}
