/**
 * Options and output that the commands over rows share.
 */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Chunk, Clock, Console, DateTime, Duration, Effect, Option, ParseResult, type Schema, Stream } from "effect"
import type { Page } from "../sql/pageSchemas.js"
import { columns, orNone, printable, printJson, printLines, span } from "./output.js"

/** The option `--limit` of a list. */
export const limitOf = (noun: string) =>
  Options.integer("limit").pipe(
    // `withSchema` of the parser would make each start of the program load the schemas.
    Options.mapEffect((limit) =>
      limit >= 1 && limit <= 500
        ? Effect.succeed(limit)
        : Effect.fail(ValidationError.invalidValue(HelpDoc.p("--limit must be a whole number from 1 to 500")))
    ),
    Options.withDescription(`Number of ${noun}, 1 to 500; default 50.`),
    Options.withDefault(50)
  )

/** The options of a list of pages, besides its status. */
export const pageOptions = (noun: string) => ({
  owner: Options.text("owner").pipe(
    Options.withDescription(`Only ${noun} of the user with this id.`),
    Options.optional
  ),
  archived: Options.boolean("archived").pipe(Options.withDescription(`Also archived ${noun}.`)),
  limit: limitOf(noun),
  cursor: Options.text("cursor").pipe(
    Options.withDescription("Prints the next page, from the cursor that the page before it printed."),
    Options.optional
  )
})

/** Builds the request of a list from its options. */
export const requestOf = <Status extends string>(options: {
  readonly status: Option.Option<Status>
  readonly owner: Option.Option<string>
  readonly archived: boolean
  readonly limit: number
  readonly cursor: Option.Option<string>
}) => ({
  limit: options.limit,
  cursor: Option.getOrUndefined(options.cursor),
  includeArchived: options.archived,
  statuses: Option.getOrUndefined(Option.map(options.status, (status) => [status])),
  ...Option.match(options.owner, { onNone: () => ({}), onSome: (ownerUserId) => ({ ownerUserId }) })
})

/** Prints a page of a list: its rows and the cursor of the next page, or with `--json` the encoded page. */
export const printPage = <A>(
  noun: string,
  page: Page<A>,
  output: {
    readonly json: boolean
    readonly encode: (page: Page<A>) => unknown
    readonly header: ReadonlyArray<string>
    readonly cells: (item: A, now: number) => ReadonlyArray<string>
  }
) =>
  Effect.gen(function* () {
    if (output.json) return yield* printJson(output.encode(page))
    if (page.items.length === 0) return yield* Console.log(`no ${noun}`)
    const now = yield* Clock.currentTimeMillis
    yield* printLines(columns([output.header, ...page.items.map((item) => output.cells(item, now))]))
    if (Option.isSome(page.nextCursor)) yield* printLines(["", `next page: --cursor ${page.nextCursor.value}`])
  })

/** Reads all pages of a list. */
export const allOf = <A, E, R>(
  read: (request: { readonly limit: number; readonly cursor: string | undefined }) => Effect.Effect<Page<A>, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Stream.paginateChunkEffect(Option.none<string>(), (cursor) =>
    Effect.map(read({ limit: 500, cursor: Option.getOrUndefined(cursor) }), ({ items, nextCursor }) => [
      Chunk.fromIterable(items),
      Option.map(nextCursor, Option.some)
    ])
  ).pipe(Stream.runCollect, Effect.map(Chunk.toReadonlyArray))

/**
 * The id of a row. An unknown option after it would be parsed as one more id, after the change of the rows before it; so
 * a text that looks like an option is refused first.
 */
export const idOf = <A>(schema: Schema.Schema<A, string>) => {
  const decode = ParseResult.decodeUnknownEither(schema)
  return Args.text({ name: "id" }).pipe(
    Args.mapEffect((id) =>
      /^(?:--|-[a-z]$)/i.test(id)
        ? Effect.fail(HelpDoc.p(`Received unknown argument: '${id}'`))
        : Effect.mapError(decode(id), (issue) => HelpDoc.p(ParseResult.TreeFormatter.formatIssueSync(issue)))
    )
  )
}

/** A time of a row, or that it has none. */
export const timeText = (at: Option.Option<DateTime.Utc>) => orNone(Option.map(at, DateTime.formatIso))

/** The time since an instant. */
export const age = (now: number, at: DateTime.Utc) =>
  span(Duration.millis(Math.max(0, now - DateTime.toEpochMillis(at))))

/** Changes one row after the other. Prints a line for each, or with `--json` one document at the end. */
export const changeEach = <Id extends string, E, R>(
  done: string,
  { ids, json }: { readonly ids: ReadonlyArray<Id>; readonly json: boolean },
  change: (id: Id) => Effect.Effect<unknown, E, R>
) =>
  Effect.forEach(
    ids,
    (id) => Effect.zipRight(change(id), json ? Effect.void : Console.log(`${done} ${printable(id)}`)),
    { discard: true }
  ).pipe(Effect.zipRight(json ? printJson({ [done]: ids }) : Effect.void))
