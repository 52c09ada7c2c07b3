/**
 * What a worker tells the process that started it, over the IPC channel: for the closing table, not for the work.
 */
export interface WorkerMessage {
  readonly event: "claimed" | "built"
  readonly jobId: string
  /** The lease under which it happened. */
  readonly token: number
  /** When, in epoch milliseconds. */
  readonly at: number
}
