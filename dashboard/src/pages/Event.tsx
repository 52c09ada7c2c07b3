/**
 * One event of the journal, at its permanent address.
 */
import { Link, useParams } from "@tanstack/react-router"
import { useApi } from "../lib/queries.js"
import { absolute } from "../lib/time.js"
import { count } from "../lib/text.js"
import { Card, Empty, Facts, Failure, None, OptionalText, SkeletonBlock, Status, Time, Words } from "../ui/basics.js"
import { IdLink } from "../ui/IdLink.js"
import { JsonView } from "../ui/JsonView.js"
import { Page } from "../ui/Page.js"
import { SubjectLink } from "../ui/SubjectLink.js"
import { ActorView } from "../ui/Timeline.js"

export const Event = () => {
  const { position } = useParams({ from: "/events/$position" })
  const { data, error, refetch } = useApi("events", "get", { path: { position: Number(position) } }, { live: false })
  return (
    <Page crumbs={<Link to="/events">Events</Link>} title={`Event ${position}`}>
      {error === null ? null : <Failure error={error} retry={() => void refetch()} />}
      {data === undefined && error === null ? <SkeletonBlock height={320} /> : null}
      {data === undefined ? null : (
        <div className="grid cols-2">
          <Card title="Event">
            <Facts
              rows={[
                ["Subject", <SubjectLink event={data} key="subject" />],
                ["Operation", <Words key="operation">{data.eventType}</Words>],
                [
                  "From",
                  data.fromState === undefined ? <None key="from" /> : <Status key="from" value={data.fromState} />
                ],
                ["To", data.toState === undefined ? <None key="to" /> : <Status key="to" value={data.toState} />],
                ["Actor", <ActorView event={data} key="actor" />],
                ["Owner", <IdLink id={data.ownerUserId} key="owner" kind="user" />],
                ["Number in its subject", count(data.sequence)],
                ["Time", <Time at={data.occurredAt} key="time" />],
                ["Absolute", <OptionalText key="absolute">{absolute(data.occurredAt)}</OptionalText>]
              ]}
            />
            <p className="foot">
              <Link search={{ subject: data.subjectId }} to="/events">
                All events of this {data.subjectType}
              </Link>
            </p>
          </Card>
          <Card title="Related rows and counts">
            {data.payload === undefined ? (
              <Empty short title="The event has none" />
            ) : (
              <JsonView json={JSON.stringify(data.payload)} label="Related rows" />
            )}
          </Card>
        </div>
      )}
    </Page>
  )
}
