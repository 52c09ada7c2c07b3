/**
 * The findings of `sealant-db doctor`. The checks read every page of the database, so those of a large one start on a
 * click.
 */
import { useQuery } from "@tanstack/react-query"
import { query } from "../lib/queries.js"
import { counted } from "../lib/text.js"
import { Card, Failure, SkeletonBlock, Status, Text, Time, Words } from "./basics.js"
import { Icon } from "./Icon.js"

const automaticBytes = 200_000_000

export const Health = ({
  all = false,
  fileBytes,
  ready
}: {
  readonly ready: boolean
  readonly fileBytes: number | undefined
  /** Also shows the checks that found no problem. */
  readonly all?: boolean
}) => {
  const isSmall = ready && (fileBytes ?? 0) < automaticBytes
  const { data, error, isFetching, refetch } = useQuery({
    ...query("database", "doctor", {}, { live: false }),
    enabled: isSmall,
    staleTime: 60_000,
    refetchOnWindowFocus: false
  })
  const problems = data?.findings.filter(({ outcome }) => outcome === "problem") ?? []
  const shown = all ? (data?.findings ?? []) : problems
  return (
    <Card
      actions={
        <span className="actions">
          {data === undefined ? null : (
            <span className="faint">
              checked <Time at={data.checkedAt} />
            </span>
          )}
          <button className="button small" disabled={isFetching} onClick={() => void refetch()} type="button">
            {isFetching ? "Checking" : "Check now"}
          </button>
        </span>
      }
      flush
      title="Health"
    >
      {error !== null && data === undefined ? (
        <div className="card-body">
          <Failure error={error} />
        </div>
      ) : data === undefined ? (
        <div className="card-body health">
          {isFetching ? (
            <SkeletonBlock height={20} />
          ) : (
            <p className="muted">The checks read every page of the database. They have not run yet.</p>
          )}
        </div>
      ) : (
        <>
          {problems.length === 0 ? (
            <p className="card-body health">
              <span className="ok">
                <Icon name="check" />
              </span>{" "}
              {counted(data.findings.length, "check")}, no problem found
            </p>
          ) : null}
          {shown.length === 0 ? null : (
            <ul className="list">
              {shown.map(({ check, outcome, text }) => (
                <li key={`${check} ${text}`}>
                  <span className="change-type">
                    <Status value={outcome === "problem" ? "error" : outcome} />
                  </span>
                  <span>
                    <strong>
                      <Words>{check}</Words>
                    </strong>{" "}
                    <span className="muted">
                      <Text>{text}</Text>
                    </span>
                  </span>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Card>
  )
}
