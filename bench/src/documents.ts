/**
 * The events and repositories that the contestants store.
 */

/** The number of rows of a page. */
export const pageSize = 50

/** Returns events as an agent reports them. */
export const eventsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    phase: "build",
    level: "info" as const,
    eventType: "log",
    message: `step ${index}: compiled src/module-${index}.ts in 12 ms`,
    payload: { step: index, file: `src/module-${index}.ts` }
  }))

/** Returns the repositories of an installation. With each `version`, another tenth of them has a new name. */
export const repositoriesOf = (count: number, version: number) =>
  Array.from({ length: count }, (_, index) => ({
    externalRepositoryId: String(index),
    owner: "acme",
    name: index % 10 === version % 10 ? `service-${index}-${version}` : `service-${index}`,
    defaultBranch: "main",
    isPrivate: true,
    isArchived: false
  }))
