/**
 * The artifacts of an execution, and the content of those that the database contains.
 */
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import type { Artifact } from "../../../src/dashboard/api/index.js"
import { query, useConfig } from "../lib/queries.js"
import { bytes } from "../lib/text.js"
import { Empty, Failure, OptionalText, SkeletonBlock, Tag, Text } from "./basics.js"
import { JsonView } from "./JsonView.js"

const Content = ({ id }: { readonly id: string }) => {
  const { data, error } = useQuery(query("payloads", "artifact", { path: { id } }, { live: false }))
  if (error !== null) return <Failure error={error} />
  if (data === undefined) return <SkeletonBlock height={80} />
  return data.content === undefined ? (
    <p className="muted">No content</p>
  ) : (
    <JsonView json={data.content} label="Artifact" />
  )
}

const Row = ({ artifact: { artifact, hasContent } }: { readonly artifact: Artifact }) => {
  const [shown, setShown] = useState(false)
  const mayShow = useConfig()?.payloads === true && hasContent
  return (
    <li className="artifact">
      <div className="artifact-head">
        <Tag>{artifact.kind}</Tag>
        <span className="id" title={artifact.id}>
          <Text mono>{artifact.id}</Text>
        </span>
        <span className="faint truncate">
          <OptionalText mono>{artifact.contentType}</OptionalText>
        </span>
        <span className="push faint num">
          {artifact.byteSize === undefined ? artifact.storageBackend : bytes(artifact.byteSize)}
        </span>
        {mayShow ? (
          <button aria-expanded={shown} className="button small" onClick={() => setShown(!shown)} type="button">
            {shown ? "Hide content" : "Show content"}
          </button>
        ) : null}
      </div>
      {artifact.storageKey === undefined ? null : (
        <p className="muted">
          <Text mono>{artifact.storageKey}</Text>
        </p>
      )}
      {shown ? <Content id={artifact.id} /> : null}
    </li>
  )
}

export const Artifacts = ({ artifacts }: { readonly artifacts: ReadonlyArray<Artifact> }) =>
  artifacts.length === 0 ? (
    <Empty icon="database" title="No artifact">
      Logs, diffs and reports of the execution appear here.
    </Empty>
  ) : (
    <ul className="list">
      {artifacts.map((artifact) => (
        <Row artifact={artifact} key={artifact.artifact.id} />
      ))}
    </ul>
  )
