/**
 * Client for the server-sent events of an execution.
 */
import { HttpClient, type HttpClientError, HttpClientRequest } from "@effect/platform"
import { Effect, Stream } from "effect"

/** One server-sent event. */
export interface SentEvent {
  readonly id: number
  readonly event: string
  readonly data: string
}

const fieldOf = (block: string, name: string) =>
  block
    .split("\n")
    .find((line) => line.startsWith(`${name}: `))
    ?.slice(name.length + 2)

/**
 * Streams the events of an execution after a sequence number. Ends when the execution ends, and fails if it does not
 * exist.
 */
export const watch = (
  http: HttpClient.HttpClient,
  executionId: string,
  after?: number
): Stream.Stream<SentEvent, HttpClientError.HttpClientError> =>
  Stream.unwrapScoped(
    Effect.map(
      HttpClient.filterStatusOk(http).execute(
        HttpClientRequest.get(`/executions/${executionId}/events/stream`).pipe(
          after === undefined ? (request) => request : HttpClientRequest.setHeader("last-event-id", String(after))
        )
      ),
      (response) => response.stream.pipe(Stream.decodeText(), Stream.splitLines)
    )
  ).pipe(
    // A block ends with an empty line. A block without an id is a comment.
    Stream.mapAccum("", (block, line) => (line === "" ? (["", block] as const) : ([`${block}${line}\n`, ""] as const))),
    Stream.filter((block) => block.startsWith("id: ")),
    Stream.map((block) => ({
      id: Number(fieldOf(block, "id")),
      event: fieldOf(block, "event") ?? "",
      data: fieldOf(block, "data") ?? ""
    }))
  )
