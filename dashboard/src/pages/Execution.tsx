/**
 * One execution of a workflow: its log, its changes, its checks, its artifacts and its summary.
 */
import * as Tabs from "@radix-ui/react-tabs"
import { Link, useParams } from "@tanstack/react-router"
import type { ReactNode } from "react"
import type { ExecutionPage } from "../../../src/dashboard/api/index.js"
import { mostEvents, useExecutionLog } from "../lib/executionLog.js"
import { useApi } from "../lib/queries.js"
import { useList } from "../lib/search.js"
import { count, counted, visible } from "../lib/text.js"
import { Artifacts } from "../ui/Artifacts.js"
import { Card, Elapsed, Empty, Facts, Failure, None, SkeletonBlock, Status, Tag, Text, Time } from "../ui/basics.js"
import { IdHeading, IdLink } from "../ui/IdLink.js"
import { LogView } from "../ui/LogView.js"
import { Page } from "../ui/Page.js"
import { preciseDuration } from "../lib/time.js"

const Log = ({ id }: { readonly id: string }) => {
  const { ended, events, omitted, state } = useExecutionLog(id)
  return (
    <div className="card">
      <LogView
        empty={ended ? "The execution ended without events." : "Events appear here as the agent reports them."}
        events={events}
        status={
          <span className="live" data-state={ended ? "closed" : state}>
            <span className="live-dot" />
            {omitted > 0 ? `Newest ${count(mostEvents)} of ` : ""}
            {counted(events.length + omitted, "event")}
            {ended ? ", ended" : ""}
          </span>
        }
      />
    </div>
  )
}

const DiffStat = ({ additions, deletions }: { readonly additions: number; readonly deletions: number }) => (
  <span className="diff-stat">
    <span className="plus">+{count(additions)}</span>
    <span className="minus">−{count(deletions)}</span>
  </span>
)

const Files = ({ files }: { readonly files: ExecutionPage["diffFiles"] }) =>
  files.length === 0 ? (
    <Empty icon="workflows" title="No changed file">
      The agent reports the files that it changed, before the execution ends.
    </Empty>
  ) : (
    <ul className="list">
      {files.map(({ additions, changeType, deletions, id, isBinary, oldPath, path }) => (
        <li key={id}>
          <span className="change-type">
            <Tag tone={changeType === "added" ? "green" : changeType === "deleted" ? "red" : "gray"}>{changeType}</Tag>
          </span>
          <span className="truncate">
            {oldPath === undefined ? null : (
              <span className="faint">
                <Text mono>{oldPath}</Text> to{" "}
              </span>
            )}
            <Text mono>{path}</Text>
          </span>
          <span className="push">
            {isBinary ? (
              <span className="faint">binary</span>
            ) : (
              <DiffStat additions={additions} deletions={deletions} />
            )}
          </span>
        </li>
      ))}
    </ul>
  )

const Checks = ({ results }: { readonly results: ExecutionPage["validationResults"] }) =>
  results.length === 0 ? (
    <Empty icon="check" title="No check has run">
      Checks such as tests and linters report their results here.
    </Empty>
  ) : (
    <ul className="list">
      {results.map(({ checkKey, durationMs, id, message, status }) => (
        <li key={id}>
          <Status value={status} />
          <strong>
            <Text mono>{checkKey}</Text>
          </strong>
          {message === undefined ? null : (
            <span className="muted">
              <Text>{message}</Text>
            </span>
          )}
          <span className="push num faint">{durationMs === undefined ? null : preciseDuration(durationMs)}</span>
        </li>
      ))}
    </ul>
  )

const PullRequests = ({ links }: { readonly links: ExecutionPage["pullRequests"] }) =>
  links.length === 0 ? (
    <Empty icon="workflows" title="No pull request">
      Pull requests that the execution created, updated or referred to appear here.
    </Empty>
  ) : (
    <ul className="list">
      {links.map(({ link, pullRequest }) => (
        <li key={pullRequest.id}>
          <Status value={pullRequest.state} />
          <span className="truncate">
            <span className="faint">#{pullRequest.number}</span> <Text>{pullRequest.title}</Text>
          </span>
          <span className="push faint">
            {link.relation}, <Text mono>{pullRequest.headBranch}</Text> to <Text mono>{pullRequest.baseBranch}</Text>
          </span>
        </li>
      ))}
    </ul>
  )

const Notes = ({ items, title }: { readonly title: string; readonly items: ReadonlyArray<string> }) =>
  items.length === 0 ? null : (
    <div>
      <h3 className="doc-name">{title}</h3>
      <ul className="notes">
        {items.map((item) => (
          <li key={item}>
            <Text>{item}</Text>
          </li>
        ))}
      </ul>
    </div>
  )

const Summary = ({ summary }: { readonly summary: ExecutionPage["summary"] }) => (
  <Card title="Summary">
    {summary === undefined ? (
      <Empty short title="No summary">
        The agent writes it at the end of its work.
      </Empty>
    ) : (
      <div className="grid">
        {summary.objective === undefined ? null : (
          <p>
            <strong>
              <Text>{summary.objective}</Text>
            </strong>
          </p>
        )}
        {summary.summaryMarkdown === undefined ? null : (
          <div className="markdown">{visible(summary.summaryMarkdown)}</div>
        )}
        <p className="muted">
          {counted(summary.filesChanged, "file")}{" "}
          <DiffStat additions={summary.additions} deletions={summary.deletions} />
        </p>
        <Notes items={summary.assumptions} title="Assumptions" />
        <Notes items={summary.warnings} title="Warnings" />
      </div>
    )}
  </Card>
)

const tabsOf = ({ artifacts, diffFiles, execution, pullRequests, validationResults }: ExecutionPage) =>
  [
    ["log", "Log", undefined, <Log id={execution.id} key="log" />],
    ["files", "Changed files", diffFiles.length, <Files files={diffFiles} key="files" />],
    ["checks", "Checks", validationResults.length, <Checks key="checks" results={validationResults} />],
    ["artifacts", "Artifacts", artifacts.length, <Artifacts artifacts={artifacts} key="artifacts" />],
    ["pulls", "Pull requests", pullRequests.length, <PullRequests key="pulls" links={pullRequests} />]
  ] satisfies ReadonlyArray<readonly [id: string, label: string, size: number | undefined, content: ReactNode]>

const Loaded = ({ page }: { readonly page: ExecutionPage }) => {
  const { execution, summary } = page
  const { search, setFilters } = useList()
  const tabs = tabsOf(page)
  return (
    <>
      {execution.cancelReason === undefined ? null : (
        <div className="note warn">
          Cancelled: <Text>{execution.cancelReason}</Text>
        </div>
      )}
      <Tabs.Root onValueChange={(tab) => setFilters({ tab: tab === "log" ? "" : tab })} value={search.tab ?? "log"}>
        <Tabs.List aria-label="Parts of the execution" className="tabs">
          {tabs.map(([id, label, size]) => (
            <Tabs.Trigger className="tab" key={id} value={id}>
              {label}
              {size === undefined ? null : <span className="count">{count(size)}</span>}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {tabs.map(([id, , , content]) => (
          <Tabs.Content className={id === "log" ? undefined : "card"} key={id} value={id}>
            {content}
          </Tabs.Content>
        ))}
      </Tabs.Root>
      <div className="grid cols-main">
        <Summary summary={summary} />
        <Card title="Execution">
          <Facts
            rows={[
              ["Id", <IdLink full id={execution.id} key="id" kind="execution" />],
              ["Workflow", <IdLink id={execution.issueWorkflowId} key="workflow" kind="workflow" />],
              [
                "Issue",
                summary?.linkedIssueRef === undefined ? (
                  <None key="issue" />
                ) : (
                  <Text key="issue" mono>
                    {summary.linkedIssueRef}
                  </Text>
                )
              ],
              ["Sandbox", <IdLink id={execution.sandboxId} key="sandbox" kind="sandbox" />],
              ["Attempt", <IdLink id={execution.sandboxAttemptId} key="attempt" kind="attempt" />],
              ["Trigger", execution.triggerType],
              ["Requested by", <IdLink id={execution.requestedByUserId} key="requested" kind="user" />],
              ["Queued", <Time at={execution.queuedAt} key="queued" />],
              ["Started", <Time at={execution.startedAt} key="started" />],
              ["Finished", <Time at={execution.finishedAt} key="finished" />],
              ["Duration", <Elapsed from={execution.startedAt} key="duration" to={execution.finishedAt} />]
            ]}
          />
        </Card>
      </div>
    </>
  )
}

export const Execution = () => {
  const { id } = useParams({ from: "/executions/$id" })
  const { data, error, refetch } = useApi("workflows", "execution", { path: { id } })
  return (
    <Page
      crumbs={
        <>
          <Link to="/workflows">Issue workflows</Link>
          {data === undefined ? null : (
            <>
              <span aria-hidden="true">/</span>
              <Link params={{ id: data.execution.issueWorkflowId }} to="/workflows/$id">
                Workflow
              </Link>
            </>
          )}
        </>
      }
      heading={<IdHeading id={id} />}
      subtitle={data === undefined ? undefined : <Status value={data.execution.status} />}
      title={`Execution ${visible(id)}`}
    >
      {error !== null && data === undefined ? <Failure error={error} retry={() => void refetch()} /> : null}
      {data === undefined && error === null ? <SkeletonBlock height={560} /> : null}
      {data === undefined ? null : <Loaded page={data} />}
    </Page>
  )
}
