/**
 * Messages about actions, at the bottom of the page. They disappear after some seconds, errors when closed.
 */
import { useEffect, useSyncExternalStore } from "react"
import { visible } from "../lib/text.js"
import { Icon } from "./Icon.js"

interface Toast {
  readonly id: number
  readonly kind: "done" | "error"
  readonly text: string
}

const mostToasts = 4
const shownFor = 6000
let toasts: ReadonlyArray<Toast> = []
let lastId = 0
const listeners = new Set<() => void>()

const set = (next: ReadonlyArray<Toast>) => {
  toasts = next
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

const close = (id: number) => set(toasts.filter((toast) => toast.id !== id))

/** Shows a message. */
export const toast = (kind: Toast["kind"], text: string): void => {
  lastId += 1
  set([...toasts, { id: lastId, kind, text: visible(text) }].slice(-mostToasts))
}

const ToastView = ({ toast: { id, kind, text } }: { readonly toast: Toast }) => {
  useEffect(() => {
    if (kind === "error") return
    const timer = setTimeout(() => close(id), shownFor)
    return () => clearTimeout(timer)
  }, [id, kind])
  return (
    <div className={`toast ${kind}`}>
      <span>{text}</span>
      <button aria-label="Close message" className="icon-button tiny" onClick={() => close(id)} type="button">
        <Icon name="close" size={12} />
      </button>
    </div>
  )
}

/** The region of the messages. Screen readers read new ones. */
export const Toasts = () => {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <div aria-label="Messages" aria-live="polite" className="toasts" role="region">
      {shown.map((one) => (
        <ToastView key={one.id} toast={one} />
      ))}
    </div>
  )
}
