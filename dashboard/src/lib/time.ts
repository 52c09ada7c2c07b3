/**
 * Relative times, and the one clock that updates all of them.
 */
import { useSyncExternalStore } from "react"

const tick = 5000
const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  timer ??= setInterval(() => {
    if (document.hidden) return
    now = Date.now()
    for (const notify of listeners) notify()
  }, tick)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Returns the current time in epoch milliseconds, and again every 5 s. All callers share one timer. */
export const useNow = (): number => {
  useSyncExternalStore(subscribe, () => now)
  return Date.now()
}

const steps = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
  [365, "d"]
] as const

/** Formats a duration with its largest unit: `850 ms`, `12 s`, `5 min`, `3 h`, `12 d`. */
export const duration = (milliseconds: number): string => {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`
  let value = milliseconds / 1000
  for (const [size, unit] of steps) {
    if (value < size) return `${Math.floor(value)} ${unit}`
    value /= size
  }
  return `${value.toFixed(1)} y`
}

/** Formats a duration with its two largest units: `2 min 5 s`. */
export const preciseDuration = (milliseconds: number): string => {
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"]
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ")
}

/** Formats a time relative to `from`: `5 min ago`, `in 3 h`, `just now`. */
export const relative = (time: number, from: number): string => {
  const difference = from - time
  if (Math.abs(difference) < 2000) return "just now"
  return difference > 0 ? `${duration(difference)} ago` : `in ${duration(-difference)}`
}

/** A time of the API: ISO 8601, or epoch milliseconds. */
export type Instant = string | number

/** The time in epoch milliseconds. */
export const millis = (at: Instant): number => (typeof at === "number" ? at : Date.parse(at))

const absoluteFormat = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" })

/** Formats a time in the time zone of the browser, followed by its ISO 8601 form. */
export const absolute = (at: Instant): string => {
  const date = new Date(at)
  return `${absoluteFormat.format(date)} (${date.toISOString()})`
}

/** Formats the time of day: `14:03:59`. */
export const clockTime = (at: Instant): string => new Date(at).toLocaleTimeString("en-GB")
