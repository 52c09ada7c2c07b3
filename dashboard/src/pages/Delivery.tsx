/**
 * One webhook delivery: its processing, what it changed, and its payload.
 */
import { useQuery } from "@tanstack/react-query"
import { Link, useParams } from "@tanstack/react-router"
import type { DeliveryPage } from "../../../src/dashboard/api/index.js"
import { query, useApi } from "../lib/queries.js"
import { count, visible } from "../lib/text.js"
import { DeliveryActions } from "../ui/actions.js"
import {
  Card,
  Empty,
  Facts,
  Failure,
  isAbsent,
  None,
  OptionalText,
  Problem,
  SkeletonBlock,
  Status,
  Tag,
  Text,
  Time,
  type Tone
} from "../ui/basics.js"
import { IdHeading } from "../ui/IdLink.js"
import { Page } from "../ui/Page.js"
import { type Documents, PayloadCard } from "../ui/Payload.js"
import { Steps } from "../ui/Timeline.js"

const useDocuments = (id: string) => () =>
  useQuery({
    ...query("payloads", "webhook", { path: { id } }, { live: false }),
    select: ({ payload }): Documents => [["Payload", payload]]
  })

const outcomes: Readonly<Record<DeliveryPage["changes"][number]["outcome"], readonly [text: string, tone: Tone]>> = {
  changed: ["changed", "green"],
  "changed-later": ["changed again since", "amber"],
  unchanged: ["unchanged", "gray"],
  missing: ["not stored", "red"]
}

const kinds = {
  installation: "installation",
  repository: "repository",
  issue: "issue",
  pullRequest: "pull request"
} as const

const Changes = ({ changes }: { readonly changes: DeliveryPage["changes"] }) => (
  <Card flush title="What the delivery changed">
    {changes.length === 0 ? (
      <Empty short title="No stored row">
        The payload names no installation, repository, issue or pull request.
      </Empty>
    ) : (
      <ul className="list">
        {changes.map(({ externalId, id, kind, name, outcome, updatedAt }) => (
          <li key={`${kind} ${externalId}`}>
            <span className="faint">{kinds[kind]}</span>
            {kind === "repository" && id !== undefined ? (
              <Link search={{ repository: id }} to="/sandboxes">
                <Text>{name ?? externalId}</Text>
              </Link>
            ) : (
              <Text>{name ?? externalId}</Text>
            )}
            <span className="push">
              <Tag tone={outcomes[outcome][1]}>{outcomes[outcome][0]}</Tag>
            </span>
            <span className="faint">
              <Time at={updatedAt} />
            </span>
          </li>
        ))}
      </ul>
    )}
  </Card>
)

const Loaded = ({ page: { changes, delivery, events } }: { readonly page: DeliveryPage }) => (
  <>
    {delivery.status === "ignored" ? (
      isAbsent(delivery.errorMessage) ? null : (
        <div className="note">
          Ignored: <Text>{delivery.errorMessage}</Text>
        </div>
      )
    ) : (
      <Problem code={undefined} message={delivery.errorMessage} />
    )}
    <div className="grid cols-main">
      <div className="stack">
        <Changes changes={changes} />
        {events.length === 0 ? null : (
          <Card title="Redeliveries">
            <Steps events={events} />
          </Card>
        )}
        <PayloadCard empty="The delivery has no payload" title="Payload" useDocuments={useDocuments(delivery.id)} />
      </div>
      <Card title="Delivery">
        <Facts
          rows={[
            [
              "Event",
              <Text key="event" mono>
                {delivery.eventType}
              </Text>
            ],
            [
              "Action",
              <OptionalText key="action" mono>
                {delivery.action}
              </OptionalText>
            ],
            [
              "GitHub's id",
              <Text key="github" mono>
                {delivery.deliveryId}
              </Text>
            ],
            [
              "Installation",
              <OptionalText key="installation" mono>
                {delivery.installationExternalId}
              </OptionalText>
            ],
            ["Attempts", `${count(delivery.attemptCount)} of ${count(delivery.maxAttempts)}`],
            ["Worker", <OptionalText key="worker">{delivery.workerId}</OptionalText>],
            [
              "Last lease",
              isAbsent(delivery.leaseOutcome) ? (
                <None key="lease" />
              ) : (
                <Status key="lease" value={delivery.leaseOutcome} />
              )
            ],
            ["Lease expires", <Time at={delivery.leaseExpiresAt} key="expires" />],
            ["Received", <Time at={delivery.receivedAt} key="received" />],
            ["Available", <Time at={delivery.availableAt} key="available" />],
            ["Claimed", <Time at={delivery.claimedAt} key="claimed" />],
            ["Processed", <Time at={delivery.processedAt} key="processed" />]
          ]}
        />
      </Card>
    </div>
  </>
)

export const Delivery = () => {
  const { id } = useParams({ from: "/webhooks/$id" })
  const { data, error, refetch } = useApi("webhooks", "get", { path: { id } })
  return (
    <Page
      actions={data === undefined ? undefined : <DeliveryActions id={id} status={data.delivery.status} />}
      crumbs={<Link to="/webhooks">Webhooks</Link>}
      heading={<IdHeading id={id} />}
      subtitle={data === undefined ? undefined : <Status value={data.delivery.status} />}
      title={`Delivery ${visible(id)}`}
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      {data === undefined && error === null ? <SkeletonBlock height={420} /> : null}
      {data === undefined ? null : <Loaded page={data} />}
    </Page>
  )
}
