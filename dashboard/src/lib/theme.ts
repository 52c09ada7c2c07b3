/**
 * The theme: that of the system, or the one that the reader has chosen. `public/theme.js` applies it before the first
 * paint.
 */
import { useSyncExternalStore } from "react"

export type Theme = "system" | "light" | "dark"

const key = "sealant-theme"
const listeners = new Set<() => void>()
const system = matchMedia("(prefers-color-scheme: dark)")

const notify = () => {
  for (const listener of listeners) listener()
}

system.addEventListener("change", notify)

const read = (): Theme => {
  const { theme } = document.documentElement.dataset
  return theme === "light" || theme === "dark" ? theme : "system"
}

const isDark = () => (read() === "system" ? system.matches : read() === "dark")

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Sets the theme of this browser. */
export const setTheme = (theme: Theme): void => {
  if (theme === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme
  try {
    if (theme === "system") localStorage.removeItem(key)
    else localStorage.setItem(key, theme)
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  notify()
}

/** Returns the chosen theme. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, read)

/** Returns whether the page is dark now. */
export const useIsDark = (): boolean => useSyncExternalStore(subscribe, isDark)

/** Reads a colour of the current theme: `colour("--accent")`. */
export const colour = (token: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(token).trim()
