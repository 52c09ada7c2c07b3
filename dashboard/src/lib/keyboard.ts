/**
 * Keyboard shortcuts of the whole page. They do nothing while a field has the focus or a dialog is open, except Escape,
 * which leaves a field.
 */
import { useEffect, useRef } from "react"

/** Handlers by key: `j`, `?`, `g o` for g and then o, `mod+k` for Ctrl or Cmd and k. */
export type Shortcuts = Readonly<Record<string, (event: KeyboardEvent) => void>>

const isField = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

const dialogIsOpen = () => document.querySelector("[role=dialog],[role=alertdialog],[role=menu]") !== null

const sequenceTimeout = 1200
const installed = new Set<{ readonly current: Shortcuts }>()
let prefix: { readonly key: string; readonly at: number } | undefined

const nameOf = (event: KeyboardEvent) => {
  const name = event.metaKey || event.ctrlKey ? `mod+${event.key.toLowerCase()}` : event.key
  return prefix !== undefined && event.timeStamp - prefix.at < sequenceTimeout ? `${prefix.key} ${name}` : name
}

const onKey = (event: KeyboardEvent) => {
  if (event.defaultPrevented || event.altKey) return
  const name = nameOf(event)
  prefix = undefined
  if (!name.startsWith("mod+")) {
    if (event.key === "Escape" && isField(event.target) && event.target instanceof HTMLElement) event.target.blur()
    if (isField(event.target) || dialogIsOpen()) return
  }
  if (name === "g") prefix = { key: "g", at: event.timeStamp }
  for (const { current } of installed) {
    const handler = current[name]
    if (handler === undefined) continue
    event.preventDefault()
    return handler(event)
  }
}

/** Installs shortcuts while the component is mounted. All of them share one listener. */
export const useShortcuts = (shortcuts: Shortcuts): void => {
  const latest = useRef(shortcuts)
  useEffect(() => {
    latest.current = shortcuts
  })
  useEffect(() => {
    if (installed.size === 0) window.addEventListener("keydown", onKey)
    installed.add(latest)
    return () => {
      installed.delete(latest)
      if (installed.size === 0) window.removeEventListener("keydown", onKey)
    }
  }, [])
}
