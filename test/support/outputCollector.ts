/**
 * Collects the output of a tracer and a logger, for tests that search it.
 */
import { Cause, Exit, HashMap, Layer, List, Logger, LogLevel, Tracer } from "effect"
import { inspect } from "node:util"

/** All text in a value. */
export const textOf = (value: unknown) =>
  inspect(value, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null })

/** Collects, as text, all output of a tracer and a logger, except results of successful calls. */
export const collectOutput = () => {
  const output: Array<string> = []
  const record = (...things: ReadonlyArray<unknown>) => {
    output.push(...things.map(textOf))
  }
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      record(name, links)
      return {
        _tag: "Span",
        name,
        spanId: String(output.length),
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes: new Map(),
        links,
        sampled: true,
        kind,
        attribute: (key, value) => record(name, key, value),
        event: (event, _, attributes) => record(name, event, attributes),
        addLinks: (more) => record(name, more),
        end: (_, exit) => (Exit.isFailure(exit) ? record(name, exit.cause, Cause.pretty(exit.cause)) : record(name))
      }
    },
    context: (run) => run()
  })
  const logger = Logger.make(({ annotations, cause, message, spans }) =>
    record(message, HashMap.toEntries(annotations), Cause.pretty(cause), List.toArray(spans))
  )
  const layer = Layer.mergeAll(
    Layer.setTracer(tracer),
    Logger.replace(Logger.defaultLogger, logger),
    Logger.minimumLogLevel(LogLevel.All)
  )
  return { output, record, layer }
}
