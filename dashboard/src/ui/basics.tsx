/**
 * Small parts that every page uses: texts, times, badges, cards, empty states, skeletons, errors.
 */
import type { ReactNode } from "react"
import { absolute, duration, type Instant, millis, relative, useNow } from "../lib/time.js"
import { visible, words } from "../lib/text.js"
import { Icon, type IconName } from "./Icon.js"
import { Tooltip } from "./Tooltip.js"

/** A text of the database, with control characters made visible. Its direction does not affect its surroundings. */
export const Text = ({ children, mono }: { readonly children: string; readonly mono?: boolean }) => (
  <bdi className={mono === true ? "mono" : undefined}>{visible(children)}</bdi>
)

/** Returns whether a field has no value. */
export const isAbsent = <A,>(value: A | null | undefined): value is null | undefined =>
  value === undefined || value === null

/** A text that may be absent. */
export const OptionalText = ({
  children,
  mono = false
}: {
  readonly children?: string | null | undefined
  readonly mono?: boolean
}) => (isAbsent(children) || children === "" ? <None /> : <Text mono={mono}>{children}</Text>)

/** An absent value. */
export const None = () => (
  <span className="faint">
    <span aria-hidden="true">–</span>
    <span className="sr">none</span>
  </span>
)

/** A time relative to now. The tooltip has the absolute one. */
export const Time = ({ at }: { readonly at: Instant | undefined | null }) => {
  const now = useNow()
  if (at === undefined || at === null) return <None />
  return (
    <Tooltip text={absolute(at)}>
      <time className="nowrap" dateTime={new Date(at).toISOString()}>
        {relative(millis(at), now)}
      </time>
    </Tooltip>
  )
}

/** The time between two times, or since the first one. */
export const Elapsed = ({
  from,
  to
}: {
  readonly from: Instant | undefined | null
  readonly to?: Instant | undefined | null
}) => {
  const now = useNow()
  if (from === undefined || from === null) return <None />
  return (
    <span className="num nowrap">{duration((to === undefined || to === null ? now : millis(to)) - millis(from))}</span>
  )
}

export type Tone = "gray" | "blue" | "green" | "red" | "amber" | "violet"

const statusesOf: Readonly<Record<Exclude<Tone, "gray">, ReadonlyArray<string>>> = {
  blue: ["running", "processing", "active", "open", "pending"],
  green: ["succeeded", "ready", "processed", "completed", "applied", "pass", "ok"],
  red: ["failed", "fail", "error", "lost", "expired"],
  amber: ["cancelled", "retried", "released", "warn", "stopping"],
  violet: ["merged"]
}

const tones = new Map(
  (["blue", "green", "red", "amber", "violet"] as const).flatMap((tone) =>
    statusesOf[tone].map((status) => [status, tone] as const)
  )
)

/** The tone of a status. States that ended in order, or that this page does not know, are gray. */
export const toneOf = (status: string): Tone => tones.get(status) ?? "gray"

/** A status as a badge. Its text carries the meaning, its colour repeats it. */
export const Status = ({ value }: { readonly value: string }) => (
  <span className={`badge tone-${toneOf(value)}`}>{visible(value)}</span>
)

/** A short label. */
export const Tag = ({ children, tone = "gray" }: { readonly children: ReactNode; readonly tone?: Tone }) => (
  <span className={`badge plain tone-${tone}`}>{children}</span>
)

/** A card with a heading. */
export const Card = ({
  actions,
  children,
  flush = false,
  title
}: {
  readonly title: string
  readonly actions?: ReactNode
  readonly children: ReactNode
  readonly flush?: boolean
}) => (
  <section aria-label={title} className="card">
    <div className="card-head">
      <h2>{title}</h2>
      {actions}
    </div>
    {flush ? children : <div className="card-body">{children}</div>}
  </section>
)

/** The explanation of an empty list. */
export const Empty = ({
  children,
  icon,
  short = false,
  title
}: {
  readonly title: string
  readonly children?: ReactNode
  readonly icon?: IconName
  readonly short?: boolean
}) => (
  <div className={short ? "empty short" : "empty"}>
    {icon === undefined ? null : <Icon name={icon} size={22} />}
    <h2>{title}</h2>
    {children === undefined ? null : <p>{children}</p>}
  </div>
)

/** Facts about a row: names and values. */
export const Facts = ({ rows }: { readonly rows: ReadonlyArray<readonly [name: string, value: ReactNode]> }) => (
  <dl className="facts">
    {rows.map(([name, value]) => (
      <FactRow key={name} name={name} value={value} />
    ))}
  </dl>
)

const FactRow = ({ name, value }: { readonly name: string; readonly value: ReactNode }) => (
  <>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </>
)

/** A placeholder of a text, with a fixed width. */
export const Skeleton = ({ width }: { readonly width: number | string }) => (
  <span aria-hidden="true" className="skeleton" style={{ width }} />
)

/** Placeholders of several lines, with the height of the content that they stand for. */
export const SkeletonBlock = ({ height }: { readonly height: number }) => (
  <div aria-hidden="true" className="skeleton" style={{ height, width: "100%" }} />
)

/** An error, and a way to repeat the request. */
export const Failure = ({ error, retry }: { readonly error: Error; readonly retry?: () => void }) => (
  <div className="note error" role="alert">
    <Text>{error.message}</Text>
    {retry === undefined ? null : (
      <>
        {" "}
        <button className="button small" onClick={retry} type="button">
          Try again
        </button>
      </>
    )}
  </div>
)

/** The error of a row: its code and its message. */
export const Problem = ({
  code,
  message
}: {
  readonly code: string | null | undefined
  readonly message: string | null | undefined
}) =>
  isAbsent(code) && isAbsent(message) ? null : (
    <div className="note error">
      {isAbsent(code) ? null : (
        <p>
          <strong>
            <Text mono>{code}</Text>
          </strong>
        </p>
      )}
      {isAbsent(message) ? null : (
        <code>
          <Text>{message}</Text>
        </code>
      )}
    </div>
  )

/** Writes the name of a state or operation in words. */
export const Words = ({ children }: { readonly children: string }) => <>{visible(words(children))}</>
