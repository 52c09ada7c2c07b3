/**
 * Filters of lists: statuses, texts, switches. A text applies when Enter is pressed or the field is left.
 */
import { useEffect, useRef, useState } from "react"
import { useShortcuts } from "../lib/keyboard.js"
import { Icon } from "./Icon.js"

/** Statuses, of which several may be chosen. None chosen: all. */
export const StatusFilter = ({
  counts,
  onChange,
  options,
  value
}: {
  readonly options: ReadonlyArray<string>
  readonly value: string | undefined
  readonly onChange: (value: string) => void
  readonly counts?: Readonly<Record<string, number>> | undefined
}) => {
  const chosen = value === undefined ? [] : value.split(",")
  const toggle = (option: string) =>
    onChange(options.filter((other) => chosen.includes(other) !== (other === option)).join(","))
  return (
    <div aria-label="Status" className="segmented" role="group">
      <button aria-pressed={chosen.length === 0} onClick={() => onChange("")} type="button">
        All
      </button>
      {options.map((option) => (
        <button aria-pressed={chosen.includes(option)} key={option} onClick={() => toggle(option)} type="button">
          {option}
          {counts?.[option] === undefined ? null : <span className="count">{counts[option].toLocaleString("en")}</span>}
        </button>
      ))}
    </div>
  )
}

/** A text filter. The first one of a page has the focus after `/`. */
export const TextFilter = ({
  first = false,
  label,
  onChange,
  value
}: {
  readonly label: string
  readonly value: string | undefined
  readonly onChange: (value: string) => void
  readonly first?: boolean
}) => {
  const [text, setText] = useState(value ?? "")
  useEffect(() => setText(value ?? ""), [value])
  const apply = () => {
    if (text.trim() !== (value ?? "")) onChange(text.trim())
  }
  return (
    <input
      aria-label={label}
      className="input"
      data-first-filter={first ? "" : undefined}
      onBlur={apply}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") apply()
      }}
      placeholder={label}
      spellCheck={false}
      type="text"
      value={text}
    />
  )
}

/** A choice of one of several values. The first option means any. */
export const SelectFilter = ({
  label,
  onChange,
  options,
  value
}: {
  readonly label: string
  readonly value: string | undefined
  readonly options: ReadonlyArray<readonly [value: string, label: string]>
  readonly onChange: (value: string) => void
}) => (
  <select aria-label={label} className="select" onChange={(event) => onChange(event.target.value)} value={value ?? ""}>
    {options.map(([option, text]) => (
      <option key={option} value={option}>
        {text}
      </option>
    ))}
  </select>
)

const archivedOptions = [
  ["", "Without archived"],
  ["true", "With archived"]
] as const

/** A choice whether archived rows are listed. */
export const ArchivedFilter = ({
  noun,
  ...filter
}: {
  readonly noun: string
  readonly value: string | undefined
  readonly onChange: (value: string) => void
}) => <SelectFilter {...filter} label={`Archived ${noun}`} options={archivedOptions} />

/** A button that removes all filters, shown when there is one. */
export const ClearFilters = ({ active, onClear }: { readonly active: boolean; readonly onClear: () => void }) =>
  active ? (
    <button className="button small" onClick={onClear} type="button">
      <Icon name="close" size={12} /> Clear filters
    </button>
  ) : null

/** Moves the focus to the first filter of the page on `/`, or calls `otherwise` if it has none. */
export const useFilterKey = (otherwise: () => void): void => {
  const fallback = useRef(otherwise)
  useEffect(() => {
    fallback.current = otherwise
  })
  useShortcuts({
    "/": () => {
      const field = document.querySelector<HTMLElement>("[data-first-filter]")
      if (field === null) fallback.current()
      else field.focus()
    }
  })
}

/** Periods before now, as a filter of the time of creation. */
export const periods: ReadonlyArray<readonly [value: string, label: string]> = [
  ["", "Any time"],
  ["1", "Last hour"],
  ["24", "Last day"],
  ["168", "Last week"]
]

/** The start of a period of hours before now, rounded to a minute so that equal requests share a result. */
export const startOfPeriod = (hours: string | undefined): string | undefined => {
  const count = Number(hours)
  return hours === undefined || !(count > 0)
    ? undefined
    : new Date(Math.floor(Date.now() / 60_000) * 60_000 - count * 3_600_000).toISOString()
}
