/**
 * The theme: that of the system, or the one that the reader has chosen. `data-theme` of the document selects the colours;
 * `public/theme.js` sets it before the first paint.
 */
import { useSyncExternalStore } from "react"

export type Theme = "system" | "light" | "dark"

const key = "sealant-theme"
const listeners = new Set<() => void>()
const system = matchMedia("(prefers-color-scheme: dark)")

const stored = (): Theme => {
  try {
    const theme = localStorage.getItem(key)
    return theme === "light" || theme === "dark" ? theme : "system"
  } catch {
    // Without storage a choice lasts until the page is closed.
    return "system"
  }
}

let chosen = stored()

const read = (): Theme => chosen

const isDark = () => (chosen === "system" ? system.matches : chosen === "dark")

const apply = () => {
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light"
  for (const listener of listeners) listener()
}

system.addEventListener("change", apply)

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Sets the theme of this browser. */
export const setTheme = (theme: Theme): void => {
  chosen = theme
  try {
    if (theme === "system") localStorage.removeItem(key)
    else localStorage.setItem(key, theme)
  } catch {
    // The choice is kept in memory.
  }
  apply()
}

/** Returns the chosen theme. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, read)

/** Returns whether the page is dark now. */
export const useIsDark = (): boolean => useSyncExternalStore(subscribe, isDark)

/** Reads a colour of the current theme: `colour("--accent")`. */
export const colour = (token: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(token).trim()
