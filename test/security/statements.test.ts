/**
 * Caller input reaches the engine as a parameter, never as part of a statement: checked in the source, and with hostile texts
 * in every input of every method.
 */
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { services } from "../contract/services.js"
import { attemptRefused, dump, placesOf } from "../contract/walk.js"
import { sharedFixture } from "../contract/fixture.js"
import { recordStatements } from "../support/plans.js"
import { variableTexts } from "./statements.js"

/**
 * The parameters of functions that build statements. Each was reviewed: it is a constant of the module or of the calling
 * module, or selects a constant. Review a new one before adding it.
 */
const reviewed = {
  "the statements of migrations, copies and checks": [
    "Migrations.ts: applyAll(text)",
    "operations/reader.ts: all(text)"
  ],
  "the name of a table or column, or a condition, that the calling module has as a constant": [
    "Retention.ts: stepOf(table)",
    "Retention.ts: stepOf(scan)",
    "sql/expiry.ts: purgeOf(key)",
    "sql/filters.ts: indexedBy(column)",
    "sql/filters.ts: unindexed(column)",
    "sql/filters.ts: unionByStatus(column)",
    "sql/ownerScope.ts: ownerScope(column)",
    "sql/page.ts: afterCursor(atColumn)",
    "sql/page.ts: afterCursor(idColumn)",
    "sql/page.ts: floorOf(at)",
    "sql/page.ts: floorOf(id)",
    "sql/page.ts: untilFloor(atColumn)",
    "sql/page.ts: untilFloor(idColumn)",
    "sandbox/lifecycle/supervise.ts: inState(alias)",
    "sandbox/lifecycle/supervise.ts: inState(due)",
    "sandbox/lifecycle/supervise.ts: inState(key)",
    "sandbox/lifecycle/supervise.ts: inState(status)",
    "sandbox/lifecycle/supervise.ts: inState(table)",
    "sandbox/lifecycle/supervise.ts: isDue(alias)",
    "sandbox/lifecycle/supervise.ts: isDue(due)",
    "sandbox/lifecycle/supervise.ts: isDue(key)",
    "sandbox/lifecycle/supervise.ts: isDue(table)",
    "sandbox/lifecycle/supervise.ts: overdue(at)",
    "sandbox/lifecycle/supervise.ts: overdue(due)",
    "sandbox/lifecycle/supervise.ts: overdue(source)",
    "issue-workflow/lifecycle/supervise.ts: pass(status)",
    "operations/stuck.ts: since(column)",
    "operations/stuck.ts: since(condition)",
    "operations/stuck.ts: since(source)",
    "profile/versioned.ts: makeVersioned(kind)"
  ],
  "a table of ours and its references, as our schema has them": [
    "legacy/importTable.ts: fillDeferred(fill)",
    "legacy/importTable.ts: fillDeferred(unfilled)",
    "legacy/importTable.ts: makeTableImporter(references)",
    "legacy/importTable.ts: makeTableImporter(table)"
  ],
  "a text that the calling module has as a constant": [
    "issue-workflow/executionReports.ts: replace(remove)",
    "issue-workflow/executionReports.ts: replace(model)",
    "issue-workflow/executionReports.ts: replace(store)",
    "issue-workflow/lifecycle/report.ts: readLike(text)",
    "issue-workflow/lifecycle/state.ts: read(text)",
    "issue-workflow/executionTail.ts: waiter(text)",
    "profile/profileRevisions.ts: graph(text)",
    "profile/profileRevisions.ts: storeRows(text)",
    "profile/repositoryProfileRevisions.ts: graph(text)",
    "github/inboxFlows.ts: over(text)",
    "github/installationSync.ts: run(text)",
    "build-job/WorkspaceBuildJobRepo.ts: insert(job)",
    "sandbox/lifecycle/state.ts: read(text)",
    "sql/writeAll.ts: oneByOne(text)",
    "build-job/enqueueMany.ts: makeEnqueueMany(columns)",
    "build-job/jobJournal.ts: appendJobEvents(current)",
    "build-job/jobJournal.ts: appendJobEvents(eventType)",
    "build-job/jobJournal.ts: appendJobEvents(details)",
    "build-job/jobJournal.ts: appendJobEvents(jobs)",
    "build-job/jobJournal.ts: appendJobEvents(now)",
    "build-job/jobLists.ts: page(columns)",
    "build-job/jobLists.ts: page(extra)",
    "build-job/jobLists.ts: page(joins)",
    "build-job/jobLists.ts: rangeOf(ownerUserId)",
    "build-job/jobLists.ts: time(compared)",
    "leasing/claimInTurn.ts: makeClaimInTurn(text)",
    "leasing/leases.ts: claimBy(text)",
    "leasing/leases.ts: leasesOn(texts)",
    "leasing/leases.ts: underLease(text)"
  ],
  "the columns of a model": [
    "issue-workflow/providerRows.ts: makeProviderRows(model)",
    "testing/profiles.ts: activated(model)",
    "testing/rows.ts: insert(model)"
  ],
  "a column of a row that the function itself put together, field by field": [
    "auth/AccountRepo.ts: updated(index)",
    "issue-workflow/reportStatements.ts: differences(column)",
    "issue-workflow/reportStatements.ts: assignments(column)",
    "issue-workflow/providerRows.ts: excluded(name)",
    "sandbox/runtimeStatements.ts: assignment(column)",
    "sandbox/runtimeStatements.ts: storedValue(column)",
    "sandbox/runtimeStatements.ts: storedValue(ended)",
    "profile/versioned.ts: assignments(column)",
    "profile/versioned.ts: names(column)",
    "github/GitHubInstallationRepo.ts: differs(column)",
    "github/GitHubInstallationRepo.ts: store(column)"
  ],
  "what was given chooses among constants": [
    "build-job/quotas.ts: quotaExceeded(quota)",
    "better-auth/queries.ts: find(sortBy)",
    "better-auth/where.ts: comparison(operator)",
    "issue-workflow/executionDetail.ts: getDetail(by)",
    "issue-workflow/executionArtifacts.ts: insert(executionId)",
    "issue-workflow/executionArtifacts.ts: insert(newArtifacts)",
    "issue-workflow/executionEvents.ts: insert(executionId)",
    "issue-workflow/executionEvents.ts: insert(newEvents)",
    "issue-workflow/executionEvents.ts: insertMissing(executionId)",
    "issue-workflow/executionEvents.ts: insertMissing(newEvents)",
    "secret/SecretRepo.ts: list(request)",
    "secret/SshKeyRepo.ts: list(request)"
  ]
}

it("statements consist of constants and reviewed expressions", () => {
  expect(variableTexts()).toEqual(Object.values(reviewed).flat().toSorted())
})

const name = "mallory"
const hostile = [
  `${name}'; DROP TABLE user; --`,
  `${name}" OR 1 = 1 --`,
  `${name}%_*?\\[a-z]`,
  `${name}') OR ('1' = '1`,
  `${name}?1 :id @id $id`
]

const isText = (value: unknown) => typeof value === "string" || Redacted.isRedacted(value)

const schema = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT type, name, sql FROM sqlite_schema ORDER BY name`
).pipe(Effect.orDie)

const withFixture = sharedFixture()

describe.each(services)("$name", (service) => {
  const withService = withFixture(service)

  it.effect(
    "puts no input text into a statement, and executes none",
    () =>
      withService((instance, samples) =>
        Effect.gen(function* () {
          const [before, schemaBefore] = [yield* dump, yield* schema]
          const wrong: Array<string> = []
          for (const [method, args] of samples) {
            const places = placesOf(args).filter(({ value }) => isText(value))
            for (const [index, { path, replacedBy, value }] of places.entries()) {
              // Any of the texts shows that a statement contains input. Each place gets one of them in turn.
              const text = hostile[index % hostile.length]
              let after: ReadonlySet<string> | undefined
              const statements = yield* recordStatements(
                Effect.map(
                  attemptRefused(instance, method, replacedBy(Redacted.isRedacted(value) ? Redacted.make(text) : text)),
                  (refused) => {
                    after = refused.after
                  }
                )
              )
              if (statements.some((statement) => statement.text.includes(name)))
                wrong.push(`${method} ${path}: in a statement`)
              if ([...before].some((row) => after?.has(row) === false)) wrong.push(`${method} ${path}: rows are gone`)
            }
          }
          expect(wrong).toEqual([])
          expect(yield* dump).toEqual(before)
          expect(yield* schema).toEqual(schemaBefore)
        })
      ),
    300_000
  )
})
