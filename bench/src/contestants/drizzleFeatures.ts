/**
 * The same operations with drizzle-orm over `@libsql/client`, as the predecessor ran them: one statement and one commit
 * for each row of a launch, one `INSERT` for each event, and two for each repository, in one transaction.
 */
import { createClient } from "@libsql/client"
import { eq, max } from "drizzle-orm"
import { drizzle } from "drizzle-orm/libsql"
import type { OpenOptions } from "../contestant.js"
import { eventsOf, repositoriesOf } from "../documents.js"
import type { Features } from "../features.js"
import { eachOf, type JobRequest, newRequests } from "../jobs.js"
import {
  attemptLinks,
  attempts,
  attemptSnapshots,
  buildJobs,
  executionEvents,
  installationRepositories,
  repositories,
  sandboxes
} from "../tables.js"

const ownerUserId = "ada"
const executionId = "execution"
const installationId = "installation"

const only = <A>(rows: ReadonlyArray<A>): A => {
  const [row] = rows
  if (row === undefined) throw new Error("no row was stored")
  return row
}

export const openDrizzleFeatures = async ({ durability, file }: OpenOptions): Promise<Features> => {
  const client = createClient({ url: `file:${file}`, concurrency: 1 })
  await client.execute(`PRAGMA synchronous = ${durability}`)
  const db = drizzle(client)
  let syncs = 0

  const launchOne = async ({ registryId, repository, requestPayload, tag }: JobRequest) => {
    const now = new Date()
    const times = { createdAt: now, updatedAt: now }
    const sandbox = only(
      await db
        .insert(sandboxes)
        .values({ name: tag, ownerUserId, ...times })
        .returning()
    )
    const attempt = only(
      await db
        .insert(attempts)
        .values({ ownerUserId, queuedAt: now, ...times })
        .returning()
    )
    const ids = { sandboxId: sandbox.id, attemptId: attempt.id }
    await db.insert(attemptLinks).values({ ...ids, relation: "launch", linkedAt: now })
    await db.insert(attemptSnapshots).values({
      attemptId: attempt.id,
      userSpecPayload: requestPayload,
      resolvedSpecPayload: requestPayload,
      blueprintPayload: requestPayload,
      createdAt: now
    })
    const job = { attemptId: attempt.id, registryId, repository, tag, requestPayload, availableAt: now, ...times }
    only(await db.insert(buildJobs).values(job).returning())
  }

  const appendOnce = (count: number) =>
    db.transaction(async (tx) => {
      const ofExecution = eq(executionEvents.executionId, executionId)
      const [last] = await tx
        .select({ sequence: max(executionEvents.sequence) })
        .from(executionEvents)
        .where(ofExecution)
      let sequence = last?.sequence ?? 0
      for (const event of eventsOf(count)) {
        await tx.insert(executionEvents).values({ ...event, executionId, sequence: ++sequence, occurredAt: new Date() })
      }
    })

  const syncOnce = (count: number, version: number) =>
    db.transaction(async (tx) => {
      for (const { externalRepositoryId, ...found } of repositoriesOf(count, version)) {
        const now = new Date()
        const times = { lastSyncedAt: now, updatedAt: now }
        const repository = only(
          await tx
            .insert(repositories)
            .values({ ...found, provider: "github", externalId: externalRepositoryId, createdAt: now, ...times })
            .onConflictDoUpdate({
              target: [repositories.provider, repositories.externalId],
              set: { ...found, ...times }
            })
            .returning()
        )
        const { isArchived: _, ...names } = found
        const cached = { ...names, fullName: `${found.owner}/${found.name}`, removedAt: null, ...times }
        await tx
          .insert(installationRepositories)
          .values({ ...cached, installationId, repositoryId: repository.id, externalRepositoryId, createdAt: now })
          .onConflictDoUpdate({
            target: [installationRepositories.installationId, installationRepositories.externalRepositoryId],
            set: cached
          })
      }
    })

  return {
    launch: (count, fibers) => eachOf(newRequests(count), fibers, launchOne),
    append: async (batches, size) => {
      for (let i = 0; i < batches; i++) await appendOnce(size)
    },
    sync: async (times, count) => {
      for (let i = 0; i < times; i++) await syncOnce(count, syncs++)
    },
    close: async () => client.close()
  }
}
