/**
 * The position of this process in the history of a libSQL server.
 *
 * A primary numbers its changes, and each answer contains the number at which the answering server was. A replica may
 * be behind. So an answer with a lower number than the last write of this process is too old, and its read has to be
 * repeated on the primary.
 *
 * Numbers begin again when a primary is killed or restored, until its replicas notice it. So a lower number in an answer
 * of the primary makes all reads go to the primary, until another server answers with a number that the primary has
 * reached.
 */
export class ReplicationIndex {
  /** The lowest number that an answer must have; `undefined` before the first write. */
  private lowest: bigint | undefined
  /** True after a write without an answer: its number is unknown. */
  private uncertain = false
  /** True after the numbers of the primary began again. */
  private restarted = false
  /** The number of write requests, with or without an answer. */
  writes = 0

  /** `onAdvance` is called when answers that were current before may be too old now. */
  constructor(private readonly onAdvance: () => void = () => undefined) {}

  /**
   * Records the answer to a write. It comes from the primary, whichever server was asked. A primary that has just
   * restarted does not know its number.
   */
  wrote(index: bigint | "unknown"): void {
    if (index === "unknown") this.uncertain = true
    else this.primaryIs(index)
    this.written()
  }

  /** Records that the answer to a write was lost. */
  lostWrite(): void {
    this.uncertain = true
    this.written()
  }

  private written(): void {
    this.writes++
    this.onAdvance()
  }

  private primaryIs(index: bigint): void {
    this.restarted ||= this.lowest !== undefined && index < this.lowest
    this.lowest = index
  }

  /** Records the answer to a read that the primary executed. `since` is the number of writes before the read. */
  readOnPrimary(index: bigint | undefined, since: number): void {
    if (since !== this.writes) return
    const before = this.lowest
    if (index !== undefined) this.primaryIs(index)
    this.uncertain = false
    if (before !== this.lowest) this.onAdvance()
  }

  /** Returns the condition for answers to reads that begin now. */
  begin(): (index: bigint | undefined) => boolean {
    const { lowest, restarted, uncertain } = this
    return (index) => index === undefined || !(uncertain || restarted || (lowest !== undefined && index < lowest))
  }

  /** Records the answer to a read: later answers are at least as new. */
  read(index: bigint | undefined): void {
    if (index === undefined || (this.lowest !== undefined && index <= this.lowest)) return
    this.lowest = index
    this.onAdvance()
  }

  /** Records an answer that was not used, after the read was repeated on the primary. */
  discarded(index: bigint | undefined): void {
    if (index !== undefined && this.lowest !== undefined && index <= this.lowest) this.restarted = false
  }
}

// Inside a JSON string a quotation mark has a backslash, so a stored value never matches.
const key = '"replication_index":'

/** Extracts the number of the last result of a response. Returns `undefined` if the server has no numbers. */
export const replicationIndexOf = (response: string): bigint | "unknown" | undefined => {
  const start = response.lastIndexOf(`${key}"`)
  if (start < 0) return response.includes(`${key}null`) ? "unknown" : undefined
  const digits = /^\d+/.exec(response.slice(start + key.length + 1, start + key.length + 21))
  return digits === null ? "unknown" : BigInt(digits[0])
}
