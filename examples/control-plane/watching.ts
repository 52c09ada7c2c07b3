/**
 * Watching an execution: server-sent events as a stream of lines.
 */
import { HttpClient, type HttpClientError, HttpClientRequest } from "@effect/platform"
import { Effect, Stream } from "effect"

/** One event as it was sent. */
export interface SentEvent {
  readonly id: number
  readonly event: string
  readonly data: string
}

const fieldOf = (block: string, name: string) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)

/** The events of an execution after one of them, as they happen; ends when the execution does. Fails when it is not there. */
export const watch = (http: HttpClient.HttpClient, executionId: string, after?: number): Stream.Stream<SentEvent, HttpClientError.HttpClientError> =>
  Stream.unwrapScoped(Effect.map(
    HttpClient.filterStatusOk(http).execute(HttpClientRequest.get(`/executions/${executionId}/events/stream`).pipe(
      after === undefined ? (request) => request : HttpClientRequest.setHeader("last-event-id", String(after))
    )),
    (response) => response.stream.pipe(Stream.decodeText(), Stream.splitLines)
  )).pipe(
    // A block ends with an empty line; one that has no id is a comment.
    Stream.mapAccum("", (block, line) => line === "" ? ["", block] as const : [`${block}${line}\n`, ""] as const),
    Stream.filter((block) => block.startsWith("id: ")),
    Stream.map((block) => ({ id: Number(fieldOf(block, "id")), event: fieldOf(block, "event") ?? "", data: fieldOf(block, "data") ?? "" }))
  )
