/**
 * What repositories and the caches of installations are, without a database: for the property test of both.
 */

/** A repository in an input. */
export interface Input {
  readonly externalId?: string
  readonly owner: string
  readonly name: string
  readonly isArchived: boolean
}

export interface RepositoryRow {
  externalId: string | undefined
  owner: string
  name: string
  isArchived: boolean
  /** Another row has its name now. */
  gaveWay: boolean
}

export interface CachedRow {
  repository: RepositoryRow
  told: Input
  removed: boolean
}

const sameName = (one: { readonly owner: string; readonly name: string }, other: typeof one) =>
  one.owner.toLowerCase() === other.owner.toLowerCase() && one.name.toLowerCase() === other.name.toLowerCase()

export class Model {
  readonly repositories: Array<RepositoryRow> = []
  readonly caches = new Map<string, Map<string, CachedRow>>()

  private byName(told: Input, claimed: ReadonlyArray<string | undefined>) {
    const row = this.repositories.find((row) => !row.gaveWay && sameName(row, told))
    return row === undefined || (row.externalId !== undefined && claimed.includes(row.externalId)) ? undefined : row
  }

  /** The rows in which they are, each found before one of them changes. */
  store(told: ReadonlyArray<Input>): ReadonlyArray<RepositoryRow> {
    const claimed = told.map(({ externalId }) => externalId)
    const targets = told.map(
      (one) =>
        this.repositories.find(({ externalId }) => externalId !== undefined && externalId === one.externalId) ??
        this.byName(one, claimed) ?? { externalId: undefined, owner: "", name: "", isArchived: false, gaveWay: false }
    )
    for (const row of this.repositories) {
      if (!row.gaveWay && told.some((one, index) => sameName(row, one) && targets[index] !== row)) row.gaveWay = true
    }
    return told.map(({ externalId, isArchived, name, owner }, index) => {
      const row = targets[index] ?? { externalId: undefined, owner, name, isArchived, gaveWay: false }
      if (!this.repositories.includes(row)) this.repositories.push(row)
      return Object.assign(row, { externalId: externalId ?? row.externalId, owner, name, isArchived, gaveWay: false })
    })
  }

  sync(installation: string, told: ReadonlyArray<Input>) {
    const rows = this.store(told)
    const cache = this.caches.get(installation) ?? new Map<string, CachedRow>()
    this.caches.set(installation, cache)
    const result = { added: 0, updated: 0, removed: 0 }
    for (const [externalId, row] of cache) {
      if (row.removed || told.some((one) => one.externalId === externalId)) continue
      row.removed = true
      result.removed++
    }
    for (const [index, one] of told.entries()) {
      const repository = rows[index]
      if (repository === undefined || one.externalId === undefined) throw new Error("each is stored, and has an id")
      const old = cache.get(one.externalId)
      if (old === undefined || old.removed) result.added++
      else if (old.repository !== repository || JSON.stringify(old.told) !== JSON.stringify(one)) result.updated++
      cache.set(one.externalId, { repository, told: one, removed: false })
    }
    return result
  }
}
