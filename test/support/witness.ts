/**
 * Collects the output of a tracer and a logger, for tests that search it.
 */
import { Cause, Exit, HashMap, Layer, List, Logger, LogLevel, Tracer } from "effect"
import { inspect } from "node:util"

/** All text in a value. */
export const textOf = (value: unknown) =>
  inspect(value, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null })

/** Collects, as text, all output of a tracer and a logger, except results of successful calls. */
export const witness = () => {
  const told: Array<string> = []
  const tell = (...things: ReadonlyArray<unknown>) => {
    told.push(...things.map(textOf))
  }
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      tell(name, links)
      return {
        _tag: "Span",
        name,
        spanId: String(told.length),
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        links,
        sampled: true,
        kind,
        attribute: (key, value) => tell(name, key, value),
        event: (event, _, attributes) => tell(name, event, attributes),
        addLinks: (more) => tell(name, more),
        end: (_, exit) => (Exit.isFailure(exit) ? tell(name, exit.cause, Cause.pretty(exit.cause)) : tell(name))
      }
    },
    context: (run) => run()
  })
  const logger = Logger.make(({ annotations, cause, message, spans }) =>
    tell(message, HashMap.toEntries(annotations), Cause.pretty(cause), List.toArray(spans))
  )
  const layer = Layer.mergeAll(
    Layer.setTracer(tracer),
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(LogLevel.All)
  )
  return { told, tell, layer }
}
