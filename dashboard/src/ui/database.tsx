/**
 * The parts of the page of the database.
 */
import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type {
  BackupFile,
  Keys as KeysResult,
  Migration,
  RetentionPreview,
  Tables as TablesResult
} from "../../../src/dashboard/api/index.js"
import { call } from "../lib/client.js"
import { query, useAction, useApi, useMayWrite } from "../lib/queries.js"
import { bytes, count, counted } from "../lib/text.js"
import { Card, Empty, Failure, isAbsent, None, OptionalText, SkeletonBlock, Status, Tag, Text, Time } from "./basics.js"
import { Action } from "./Confirm.js"
import { type Column, DataTable } from "./DataTable.js"
import { Health } from "./Health.js"

type Table = (typeof TablesResult.Type)["tables"][number]
type Key = KeysResult["keys"][number]

const size = (value: number | undefined) => (value === undefined ? <None /> : bytes(value))

const Sizes = ({ data }: { readonly data: typeof TablesResult.Type | undefined }) => (
  <div className="card tiles">
    {(
      [
        ["File", data?.fileBytes],
        ["Write-ahead log", data?.walBytes],
        ["Reusable", data?.reusableBytes]
      ] as const
    ).map(([label, value]) => (
      <div className="tile" key={label}>
        <div className="tile-label">{label}</div>
        <div className="tile-value">{data === undefined ? " " : size(value)}</div>
      </div>
    ))}
    <div className="tile">
      <div className="tile-label">Rows</div>
      <div className="tile-value">
        {data === undefined ? " " : count(data.tables.reduce((sum, { rows }) => sum + rows, 0))}
      </div>
      <div className="tile-note">{data === undefined ? " " : counted(data.tables.length, "table")}</div>
    </div>
    <div className="tile">
      <div className="tile-label">Engine</div>
      <div className="tile-value">{data === undefined ? " " : data.engineVersion}</div>
      <div className="tile-note">SQLite</div>
    </div>
  </div>
)

const tableColumns: ReadonlyArray<Column<Table>> = [
  { id: "name", header: "Table", width: 190, cell: ({ name }) => <Text mono>{name}</Text> },
  { id: "rows", header: "Rows", align: "right", width: 40, cell: ({ rows }) => count(rows) },
  { id: "bytes", header: "Size", align: "right", width: 50, cell: ({ bytes: value }) => size(value) },
  {
    id: "purpose",
    header: "Content",
    width: 300,
    wide: true,
    cell: ({ purpose }) => (
      <span title={purpose} className="muted">
        <OptionalText>{purpose}</OptionalText>
      </span>
    )
  },
  {
    id: "retention",
    header: "A purge keeps",
    width: 180,
    cell: ({ retention }) => <OptionalText>{retention}</OptionalText>
  }
]

/** The tables with rows and sizes, the largest first. */
export const Tables = () => {
  const { data, error, refetch } = useApi("database", "tables", {}, { live: false })
  const rows = data?.tables.toSorted((a, b) => (b.bytes ?? b.rows) - (a.bytes ?? a.rows))
  return (
    <>
      <Sizes data={data} />
      <div className="card">
        <DataTable
          columns={tableColumns}
          empty={<Empty icon="database" title="The database has no tables" />}
          error={error}
          keyOf={({ name }) => name}
          label="Tables"
          placeholders={16}
          retry={() => void refetch()}
          rows={rows}
        />
      </div>
    </>
  )
}

const migrationColumns: ReadonlyArray<Column<Migration>> = [
  { id: "name", header: "Migration", width: 220, cell: ({ name }) => <Text mono>{name}</Text> },
  {
    id: "state",
    header: "State",
    width: 70,
    cell: ({ state }) => <Status value={state === "mismatched" ? "error" : state} />
  },
  { id: "applied", header: "Applied", align: "right", width: 70, cell: ({ appliedAt }) => <Time at={appliedAt} /> }
]

/** The migrations of the program and of the database. */
export const Migrations = () => {
  const { data, error } = useApi("database", "migrations", {}, { live: false })
  return (
    <div className="card">
      <DataTable
        columns={migrationColumns}
        empty={
          <Empty icon="database" title="No migration">
            <code>sealant-db migrate</code> applies them.
          </Empty>
        }
        error={error}
        keyOf={({ name }) => name}
        label="Migrations"
        rows={data}
      />
    </div>
  )
}

const retentionColumns: ReadonlyArray<Column<RetentionPreview["tables"][number]>> = [
  { id: "table", header: "Table", width: 200, cell: ({ table }) => <Text mono>{table}</Text> },
  {
    id: "rule",
    header: "Kept for",
    width: 220,
    cell: ({ keepForDays, since }) => <Text>{`${counted(keepForDays, "day")} ${since}`}</Text>
  },
  {
    id: "removable",
    header: "Removable now",
    align: "right",
    width: 60,
    cell: ({ removable }) => (removable === 0 ? <span className="faint">0</span> : <strong>{count(removable)}</strong>)
  }
]

/** The rows that a purge would remove. */
export const Retention = () => {
  const { data, error } = useApi("database", "retention", {}, { live: false })
  const total = data?.tables.reduce((sum, { removable }) => sum + removable, 0)
  return (
    <>
      <Card
        actions={
          data === undefined ? null : (
            <span className="faint">
              counted <Time at={data.countedAt} />
            </span>
          )
        }
        flush
        title={total === undefined ? "What a purge would remove" : `A purge would remove ${counted(total, "row")}`}
      >
        <DataTable
          columns={retentionColumns}
          empty={<Empty title="No table has a retention" />}
          error={error}
          keyOf={({ table }) => table}
          label="Retention"
          rows={data?.tables}
        />
      </Card>
      {data === undefined || data.kept.length === 0 ? null : (
        <Card flush title="Tables that a purge never touches">
          <ul className="list">
            {data.kept.map(({ reason, table }) => (
              <li key={table}>
                <Text mono>{table}</Text>
                <span className="push muted">
                  <Text>{reason}</Text>
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  )
}

const Verification = ({ name }: { readonly name: string }) => {
  const [wanted, setWanted] = useState(false)
  const { data, error, isFetching } = useQuery({
    ...query("database", "verifyBackup", { path: { name } }, { live: false }),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY
  })
  if (data !== undefined)
    return data.ok ? (
      <Tag tone="green">verified</Tag>
    ) : (
      <span className="muted">
        <Tag tone="red">unusable</Tag> <OptionalText>{data.problem}</OptionalText>
      </span>
    )
  if (error !== null) return <span className="muted">{error.message}</span>
  return (
    <button
      aria-label={`Verify ${name}`}
      className="button small"
      disabled={isFetching}
      onClick={() => setWanted(true)}
      type="button"
    >
      {isFetching ? "Verifying" : "Verify"}
    </button>
  )
}

const backupColumns: ReadonlyArray<Column<BackupFile>> = [
  { id: "name", header: "Backup", width: 260, cell: ({ name }) => <Text mono>{name}</Text> },
  { id: "bytes", header: "Size", align: "right", width: 50, cell: ({ bytes: value }) => bytes(value) },
  { id: "made", header: "Made", align: "right", width: 60, cell: ({ madeAt }) => <Time at={madeAt} /> },
  { id: "verify", header: "Verification", width: 70, cell: ({ name }) => <Verification name={name} /> }
]

/** The backups in the directory beside the database. */
export const Backups = () => {
  const { data, error } = useApi("database", "backups", {}, { live: false })
  const run = useAction()
  const mayWrite = useMayWrite()
  const hasDirectory = data?.directory !== undefined
  return (
    <Card
      actions={
        mayWrite && hasDirectory ? (
          <Action
            describe={
              <p>
                A consistent copy of the database is written into <Text mono>{data.directory ?? ""}</Text> and verified.
                Programs keep working meanwhile.
              </p>
            }
            done="The backup is complete"
            label="Make a backup"
            run={() => run(() => call("databaseActions", "backup", { payload: {} }))}
            small
            title="Make a backup of the database?"
          />
        ) : undefined
      }
      flush
      title={hasDirectory ? `Backups in ${data.directory}` : "Backups"}
    >
      <DataTable
        columns={backupColumns}
        empty={
          <Empty icon="database" title="No backup">
            {hasDirectory
              ? "Backups that are made here or with `sealant-db backup` into this directory appear in this list."
              : "A database in memory has no backups. Back up a server with the tools of its host."}
          </Empty>
        }
        error={error}
        keyOf={({ name }) => name}
        label="Backups"
        rows={data?.items}
      />
      <p className="foot">
        <Link search={{ subject: "database" }} to="/events">
          Backups in the journal
        </Link>
      </p>
    </Card>
  )
}

const keyColumns: ReadonlyArray<Column<Key>> = [
  { id: "id", header: "Key", width: 120, cell: ({ id }) => <Text mono>{id}</Text> },
  {
    id: "status",
    header: "Status",
    width: 70,
    cell: ({ status }) => <Tag tone={status === "active" ? "green" : "gray"}>{status}</Tag>
  },
  {
    id: "held",
    header: "In this process",
    width: 70,
    cell: ({ held }) => (held ? "yes" : <span className="faint">no</span>)
  },
  { id: "versions", header: "Encrypted values", align: "right", width: 60, cell: ({ versions }) => count(versions) },
  { id: "created", header: "First used", align: "right", width: 60, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: "retired", header: "Retired", align: "right", width: 60, cell: ({ retiredAt }) => <Time at={retiredAt} /> }
]

/** The encryption keys by name, and the progress of a rotation. */
export const Keys = () => {
  const { data, error } = useApi("database", "keys", {}, { live: false })
  const rotation = data?.rotation
  const share = isAbsent(rotation) || rotation.total === 0 ? 1 : rotation.done / rotation.total
  return (
    <>
      <Card title="Rotation">
        {rotation === undefined ? (
          error === null ? (
            <SkeletonBlock height={38} />
          ) : (
            <Failure error={error} />
          )
        ) : (
          <div className="grid">
            <p>
              {rotation.total === 0
                ? "The database contains no encrypted value."
                : `${count(rotation.done)} of ${counted(rotation.total, "value")} are encrypted with the active key.`}
            </p>
            <div
              aria-label="Progress of the rotation"
              aria-valuemax={100}
              aria-valuemin={0}
              aria-valuenow={Math.round(share * 100)}
              className="meter"
              role="progressbar"
            >
              <span style={{ width: `${share * 100}%` }} />
            </div>
          </div>
        )}
      </Card>
      <Card flush title="Encryption keys">
        <DataTable
          columns={keyColumns}
          empty={
            <Empty icon="lock" title="No encryption key is recorded">
              The first secret records the active key of <code>SEALANT_ENCRYPTION_KEYS</code>.
            </Empty>
          }
          error={error}
          keyOf={({ id }) => id}
          label="Encryption keys"
          rows={data?.keys}
        />
      </Card>
    </>
  )
}

/** All findings of the checks. */
export const HealthTab = () => <Health all fileBytes={undefined} ready />
