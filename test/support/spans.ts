/**
 * The spans that a program makes, for tests that look at their tree.
 */
import { Layer, Option, Tracer } from "effect"

export interface SeenSpan extends Tracer.Span {
  /** Whether it has ended. */
  readonly ended: boolean
}

/** Keeps all spans in the order of their beginning. `Layer.setTracer` of its tracer is its `layer`. */
export const collectSpans = () => {
  const spans: Array<SeenSpan> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const allLinks = [...links]
      const id = String(spans.length + 1)
      const span = {
        _tag: "Span" as const,
        name,
        spanId: id,
        traceId: Option.match(parent, { onNone: () => `trace ${id}`, onSome: ({ traceId }) => traceId }),
        parent,
        context,
        status: { _tag: "Started", startTime } as Tracer.SpanStatus,
        attributes,
        links: allLinks,
        sampled: true,
        kind,
        ended: false,
        attribute: (key: string, value: unknown) => void attributes.set(key, value),
        event: () => {},
        addLinks: (more: ReadonlyArray<Tracer.SpanLink>) => void allLinks.push(...more),
        end: () => {
          span.ended = true
        }
      }
      spans.push(span)
      return span
    },
    context: (run) => run()
  })
  return { spans, layer: Layer.setTracer(tracer) }
}

/** The name of the span in which a span was made. */
export const parentName = ({ parent }: SeenSpan): string | undefined =>
  Option.getOrUndefined(Option.map(parent, (span) => (span._tag === "Span" ? span.name : "external")))
