/**
 * The rows with an id: the target of links to ids whose page depends on the row, such as attempts.
 */
import { Link, useNavigate } from "@tanstack/react-router"
import { useEffect } from "react"
import { useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { visible } from "../lib/text.js"
import { Empty, Failure, SkeletonBlock, Tag, Text } from "../ui/basics.js"
import { openHit } from "../ui/hits.js"
import { Page } from "../ui/Page.js"

export const Find = () => {
  const navigate = useNavigate()
  const { id = "" } = useList().search
  const { data, error } = useApi("overview", "search", { urlParams: { id } }, { live: false })
  const only = data?.length === 1 ? data[0] : undefined
  useEffect(() => {
    if (only !== undefined) void openHit(navigate, only, { replace: true })
  }, [only, navigate])
  return (
    <Page title="Search" subtitle={<Text mono>{id}</Text>}>
      {error === null ? null : <Failure error={error} />}
      {data === undefined && error === null ? <SkeletonBlock height={120} /> : null}
      {data?.length === 0 ? (
        <div className="card">
          <Empty icon="search" title="No row has this id">
            Rows that were purged or deleted are not found. <Link to="/">Open the overview</Link>.
          </Empty>
        </div>
      ) : null}
      {data === undefined || data.length < 2 ? null : (
        <ul className="card list">
          {data.map((hit) => (
            <li key={`${hit.kind} ${hit.id}`}>
              <Tag>{hit.kind}</Tag>
              <button className="button small" onClick={() => void openHit(navigate, hit)} type="button">
                {visible(hit.label ?? hit.id)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Page>
  )
}
