import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Environment, migratedFile, runHere, tamper } from "./support.js"
import { temporaryDirectory } from "../support/directories.js"

interface Finding {
  readonly check: string
  readonly outcome: string
  readonly text: string
}

/** The findings of the doctor. Text and JSON contain the same ones. */
const doctor = (environment: Environment) =>
  Effect.gen(function* () {
    const told = yield* runHere(["doctor", "--json"], environment)
    const { findings, ok }: { readonly ok: boolean; readonly findings: ReadonlyArray<Finding> } = JSON.parse(
      told.stdout
    )
    const problems = findings.filter(({ outcome }) => outcome === "problem")
    const lines = yield* runHere(["doctor"], environment)
    expect(lines.stdout.split("\n").filter((line) => line.startsWith("problem"))).toHaveLength(problems.length)
    expect([ok, told.code, lines.code]).toEqual(problems.length === 0 ? [true, 0, 0] : [false, 1, 1])
    expect(told.stderr).toBe(
      problems.length === 0 ? "" : `sealant-db: ${problems.length} problem${problems.length === 1 ? "" : "s"} found\n`
    )
    return { findings, problems: problems.map(({ check, text }) => `${check}: ${text}`) }
  })

/** Independent of the duration of the test. */
const inHours = (problem: string) => problem.replaceAll(/(\d+[dh])( \d+[hms])+/g, "$1")

it.scopedLive("doctor prints one line for each check of a valid database, and no problem", () =>
  Effect.gen(function* () {
    const { environment } = yield* migratedFile
    const { findings, problems } = yield* doctor(environment)
    expect(problems).toEqual([])
    expect(findings.map(({ check, outcome }) => `${outcome} ${check}`)).toEqual(
      [
        "open",
        "text",
        "engine",
        "schema",
        "integrity",
        "permissions",
        "log",
        "disk",
        "jobs",
        "teardowns",
        "supervision",
        "deliveries",
        "consumers",
        "queue",
        "inbox",
        "tokens"
      ].map((check) => `ok ${check}`)
    )
  })
)

it.scopedLive(
  "doctor reports tokens in plain text, which are a problem only with keys, and tokens without their key",
  () =>
    Effect.gen(function* () {
      const { environment, filePath } = yield* migratedFile
      const withKeys = { ...environment, SEALANT_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString("base64")}` }
      const textOf = ({ findings }: { readonly findings: ReadonlyArray<Finding> }) =>
        findings.filter(({ check }) => check === "tokens").map(({ outcome, text }) => `${outcome}: ${text}`)
      expect(textOf(yield* doctor(withKeys))).toEqual(["ok: 0 tokens of accounts, all encrypted"])
      tamper(
        filePath,
        "INSERT INTO user (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'ada@example.com', 0, 0)",
        `INSERT INTO account (id, user_id, account_id, provider_id, access_token, id_token, refresh_token, created_at, updated_at)
       VALUES ('one', 'ada', '1', 'github', 'plain-access', 'plain-id', 'sealant:1:k2:a:b', 0, 0)`
      )
      const unknown =
        "problem: 1 token of accounts is under a key that SEALANT_ENCRYPTION_KEYS does not contain; " +
        "add the key to SEALANT_ENCRYPTION_KEYS; without it, the users must sign in at the provider again"
      expect(textOf(yield* doctor(environment))).toEqual([
        unknown,
        "ok: 2 tokens of accounts in plain text: SEALANT_ENCRYPTION_KEYS is not set, so tokens are not encrypted"
      ])
      expect(textOf(yield* doctor(withKeys))).toEqual([
        unknown,
        "problem: 2 tokens of accounts are stored as plain text; run `sealant-db secrets rotate`, which encrypts them"
      ])
      yield* runHere(["secrets", "rotate"], withKeys)
      expect(textOf(yield* doctor(withKeys))).toEqual([unknown])
    })
)

it.scopedLive("doctor reports a database that cannot be opened as a problem", () =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const none = join(directory, "none.sqlite")
    expect((yield* doctor({ DATABASE_FILE_PATH: none })).problems).toEqual([
      `open: DATABASE_FILE_PATH: there is no database at ${none}; give the path of one, or run \`sealant-db migrate\` to make it`
    ])
    const text = join(directory, "text")
    writeFileSync(text, "this is not a database, but long enough to be looked at as one".repeat(10))
    expect((yield* doctor({ DATABASE_FILE_PATH: text })).problems).toEqual([
      `open: DATABASE_FILE_PATH: ${text} is not a SQLite database`
    ])
  })
)

it.scopedLive("doctor reports each problem with its remedy", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    const hour = 3_600_000
    const now = Date.now()
    chmodSync(filePath, 0o644)
    tamper(
      filePath,
      "PRAGMA foreign_keys = off",
      "DROP TRIGGER control_plane_events_append_only",
      "DROP INDEX session_expires_at_idx",
      "CREATE INDEX session_expires_at_idx ON session (expires_at DESC)",
      "CREATE TABLE plugin (id TEXT)",
      "INSERT INTO session (id, user_id, token, expires_at, created_at, updated_at) VALUES ('s', 'nobody', 't', 0, 0, 0)",
      `INSERT INTO oci_image_build_jobs (id, registry_id, repository, tag, request_payload, available_at, created_at, updated_at)
       VALUES ('due', 'r', 'a', 't', '{}', ${now - 3 * hour}, 0, 0), ('soon', 'r', 'a', 't', '{}', ${now + hour}, 0, 0)`,
      `INSERT INTO oci_image_build_jobs (id, status, registry_id, repository, tag, request_payload, available_at, attempt_count, claimed_at,
         started_at, lease_expires_at, worker_id, lease_token, created_at, updated_at)
       VALUES ('lost', 'running', 'r', 'a', 't', '{}', 0, 1, 0, 0, ${now - 2 * hour}, 'w', 1, 0, 0)`,
      `INSERT INTO github_webhook_deliveries (id, delivery_id, event_type, received_at, available_at, updated_at)
       VALUES ('d', 'd', 'push', 0, ${now - 2 * hour}, 0), ('e', 'e', 'push', 0, ${now - hour}, 0)`,
      `INSERT INTO control_plane_events (subject_type, subject_id, sequence, event_type, actor_type, occurred_at)
       VALUES ('sandbox', 's', 1, 'launch', 'system', 0), ('sandbox', 's', 2, 'stop', 'system', 0)`,
      `INSERT INTO control_plane_event_consumers (name, position, updated_at) VALUES ('mailer', 1, ${now - 50 * hour}), ('busy', 1, ${now}), ('done', 2, 0)`
    )
    const { problems } = yield* doctor(environment)
    // The engine creates its log files with the permissions of the database.
    expect(problems.filter((problem) => !/-(wal|shm) is open/.test(problem)).map(inHours)).toEqual([
      "schema: the trigger control_plane_events_append_only is missing; restore a backup, or run its statement from the migrations again",
      "schema: the index session_expires_at_idx is not as the migrations made it; restore a backup, or recreate it",
      "references: 1 row of session refers to rows of user that do not exist; restore those rows, or delete the rows that `PRAGMA foreign_key_check(session)` lists",
      expect.stringMatching(/^permissions: .*control-plane\.sqlite is open to others \(644\); chmod 600 /),
      "jobs: 1 job due for up to 3h; start a worker, or read `sealant-db jobs list --status queued`",
      "jobs: 1 job under an expired lease for up to 2h; start a worker, which takes them over",
      "deliveries: 2 deliveries due for up to 2h; start a worker of the webhook inbox",
      "consumers: mailer is 1 event behind, and has acknowledged none for 2d; start it; or, if it no longer exists, " +
        "delete its row from control_plane_event_consumers, so that old events can be purged"
    ])
  })
)

it.scopedLive("a large write-ahead log is reported with its remedy", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    // The engine ignores a log without a valid header.
    truncateSync(`${filePath}-wal`, 65_000_000)
    const { problems } = yield* doctor(environment)
    expect(problems).toEqual([
      "log: the write-ahead log has grown to 65.0 MB; end the long read or backup that keeps it; then call " +
        "`Maintenance.checkpoint`, or close the database in a program that has written to it"
    ])
  })
)

it.scopedLive("doctor lists active workflows without an owner, not as a problem", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    tamper(
      filePath,
      "INSERT INTO repositories (id, owner, name, created_at, updated_at) VALUES ('app', 'acme', 'app', 0, 0)",
      ...["one", "two"].flatMap((id, number) => [
        `INSERT INTO issues (id, repository_id, number, title, created_at, updated_at) VALUES ('${id}', 'app', ${number}, 't', 0, 0)`,
        `INSERT INTO issue_workflows (id, issue_id, repository_id, created_at, updated_at) VALUES ('${id}', '${id}', 'app', ${number}, 0)`
      ])
    )
    const { findings, problems } = yield* doctor(environment)
    expect(problems).toEqual([])
    expect(findings.find(({ check }) => check === "workflows")?.text).toBe(
      "active without an owner: two, one; cancel those of deleted users, which block their issues"
    )
  })
)

it.scopedLive("doctor accepts tables and columns of plugins", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    tamper(
      filePath,
      `ALTER TABLE user ADD COLUMN role TEXT`,
      `alter table "user" add column "banned" integer default 0 not null`,
      `CREATE TABLE organization (id TEXT PRIMARY KEY NOT NULL, slug TEXT NOT NULL UNIQUE) STRICT`,
      `ALTER TABLE session ADD COLUMN active_organization_id TEXT REFERENCES organization (id) ON DELETE SET NULL`,
      `ALTER TABLE user ADD COLUMN locale TEXT NOT NULL DEFAULT 'en'`,
      `CREATE UNIQUE INDEX user_role ON user (role)`,
      `CREATE UNIQUE INDEX user_locale ON user (role COLLATE NOCASE DESC) WHERE role IS NOT NULL`,
      `CREATE INDEX sandboxes_name ON sandboxes (name COLLATE nocase, "created_at" DESC)`,
      `CREATE VIEW names AS SELECT name FROM user`,
      `CREATE TRIGGER organization_insert AFTER INSERT ON organization BEGIN SELECT 1; END`
    )
    expect((yield* doctor(environment)).problems).toEqual([])
  })
)

it.scopedLive("doctor reports altered objects and objects that no migration created", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    tamper(
      filePath,
      `CREATE TABLE copied (token TEXT)`,
      `CREATE TRIGGER copy_tokens AFTER INSERT ON Session BEGIN INSERT INTO copied VALUES (NEW.token); END`,
      `CREATE TRIGGER "stop; the queue" BEFORE UPDATE ON oci_image_build_jobs BEGIN SELECT RAISE(IGNORE); END`,
      `CREATE UNIQUE INDEX one_sandbox ON sandboxes (status)`,
      `DROP TRIGGER control_plane_events_append_only`,
      `CREATE TRIGGER control_plane_events_append_only BEFORE UPDATE ON control_plane_events BEGIN SELECT 1; END`,
      `ALTER TABLE verification RENAME TO verification_kept`,
      `CREATE VIEW verification AS SELECT * FROM verification_kept`,
      `ALTER TABLE account ADD COLUMN hidden TEXT CHECK (hidden IS NOT NULL OR provider_id = 'x')`
    )
    const found = (yield* doctor(environment)).problems.filter((problem) => problem.startsWith("schema"))
    const action = (problem: string, drop: string) =>
      `schema: ${problem}; find out who added it, and remove it: DROP ${drop}`
    const seen = "which sees and can stop every write"
    expect(found.toSorted()).toEqual(
      [
        action(
          `oci_image_build_jobs has a trigger that no migration made, ${seen}: "stop; the queue"`,
          `TRIGGER "stop; the queue"`
        ),
        action(
          "sandboxes has a unique index that no migration made, which can stop writes: one_sandbox",
          "INDEX one_sandbox"
        ),
        action(`session has a trigger that no migration made, ${seen}: copy_tokens`, "TRIGGER copy_tokens"),
        // The engine also renames the table in their texts.
        ...["verification_expires_at_idx", "verification_identifier_value_idx"].map(
          (index) => `schema: the index ${index} is not as the migrations made it; restore a backup, or recreate it`
        ),
        "schema: the table account is not as the migrations made it; restore a backup, or recreate it",
        "schema: the table verification is missing; restore a backup, or run its statement from the migrations again",
        "schema: the trigger control_plane_events_append_only is not as the migrations made it; restore a backup, or recreate it",
        action("verification has a view in its place that no migration made: verification", "VIEW verification")
      ].toSorted()
    )
  })
)

it.scopedLive("doctor reports indexes that evaluate expressions on each write", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    tamper(
      filePath,
      `CREATE INDEX of_json ON verification (value, json_extract(identifier, '$'))`,
      `CREATE INDEX of_operator ON verification (identifier ->> '$')`,
      `CREATE INDEX of_some ON verification (id) WHERE json(identifier) IS NOT NULL`,
      `CREATE UNIQUE INDEX "of (|) all" ON verification (abs(identifier))`
    )
    const action = (name: string) =>
      `schema: verification has an index with an expression or a condition that no migration made, which can stop writes: ${name}; ` +
      `find out who added it, and remove it: DROP INDEX ${name}`
    const found = (yield* doctor(environment)).problems
    expect(found.toSorted()).toEqual(["of_json", "of_operator", "of_some", `"of (|) all"`].map(action).toSorted())
  })
)

it.scopedLive("doctor reports text that is not UTF-8, on which every reader process crashes", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    const user = (name: string, index: number) => `('u${index}', ${name}, 'u${index}@example.com', 0, 0)`
    // Valid texts, more than one batch; then each kind of invalid text:
    // https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-3/#G7404
    const legal = Array.from({ length: 120 }, (_, index) => user(`'Zoë 🐳 \uFFFD \u0080 ${index}'`, index))
    const illegal = ["ff41", "41ff", "80", "c3", "c0af", "eda080", "f4908080", "e282"].map((bytes, index) =>
      user(`CAST(x'${bytes}' AS TEXT)`, 1000 + index)
    )
    const users = "INSERT INTO user (id, name, email, created_at, updated_at) VALUES"
    tamper(filePath, `${users} ${legal.join(", ")}`)
    expect((yield* doctor(environment)).problems).toEqual([])
    tamper(
      filePath,
      `${users} ${illegal.join(", ")}`,
      `INSERT INTO oci_image_build_jobs (id, registry_id, repository, tag, request_payload, available_at, created_at, updated_at)
       VALUES ('job', 'r', 'a', CAST(x'ff' AS TEXT), '{}', 0, 0, 0)`
    )
    const rest =
      "which ends every program that reads it; stop all programs, and restore the last good backup, or overwrite the text with the sqlite3 shell"
    expect((yield* doctor(environment)).problems).toEqual([
      `text: 1 row of oci_image_build_jobs has text in tag that is not UTF-8, ${rest}`,
      `text: 8 rows of user have text in name that is not UTF-8, ${rest}`
    ])
  })
)

it.scopedLive("doctor reports a different schema version", () =>
  Effect.gen(function* () {
    const { environment, filePath } = yield* migratedFile
    tamper(filePath, `INSERT INTO sealant_migrations VALUES (9999, 'colours', '', 0)`)
    const { findings, problems } = yield* doctor(environment)
    expect(problems).toEqual([
      expect.stringMatching(/^schema: the program is older than the database, which has 9999_colours/)
    ])
    expect(findings.find(({ check }) => check === "jobs")?.outcome).toBe("skipped")
  })
)
