/**
 * Ids: links to the page of their row, with a button that copies them.
 */
import { Link } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { visible } from "../lib/text.js"
import { Icon } from "./Icon.js"

/** Copies a text, and confirms it for two seconds. */
export const CopyButton = ({ label, text }: { readonly label: string; readonly text: string }) => {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 2000)
    return () => clearTimeout(timer)
  }, [copied])
  // Browsers have a clipboard on secure origins only, such as 127.0.0.1.
  if (!window.isSecureContext) return null
  return (
    <button
      aria-label={copied ? "Copied" : `Copy ${label}`}
      className="icon-button tiny"
      onClick={() => {
        void navigator.clipboard.writeText(text).then(() => setCopied(true))
      }}
      title={copied ? "Copied" : `Copy ${label}`}
      type="button"
    >
      <Icon name={copied ? "check" : "copy"} size={12} />
    </button>
  )
}

/** The kinds of rows that have a page. */
export type Kind = "job" | "sandbox" | "attempt" | "workflow" | "execution" | "delivery" | "user" | "database"

/** Shortens a generated id to its prefix and its random end: `job_…9f3a21`. */
export const shortId = (id: string): string =>
  id.length <= 22 ? id : `${id.slice(0, id.indexOf("_") + 1 || 4)}…${id.slice(-8)}`

/** An id, as a link when rows of its kind have a page. */
export const IdLink = ({
  full = false,
  id,
  kind,
  primary = false
}: {
  readonly id: string | undefined | null
  readonly kind: Kind
  readonly full?: boolean
  /** The link of a table row, which j, k and Enter use. */
  readonly primary?: boolean
}) => {
  if (id === undefined || id === null) return <span className="faint">–</span>
  const text = visible(full ? id : shortId(id))
  const shared = { title: visible(id), children: text, ...(primary ? { "data-row-link": "" } : {}) }
  return (
    <span className="id">
      <KindLink id={id} kind={kind} shared={shared} />
      <CopyButton label={`id ${visible(shortId(id))}`} text={id} />
    </span>
  )
}

interface Shared {
  readonly title: string
  readonly children: string
}

const KindLink = ({ id, kind, shared }: { readonly id: string; readonly kind: Kind; readonly shared: Shared }) => {
  switch (kind) {
    case "job":
      return <Link params={{ id }} to="/jobs/$id" {...shared} />
    case "sandbox":
      return <Link params={{ id }} to="/sandboxes/$id" {...shared} />
    case "workflow":
      return <Link params={{ id }} to="/workflows/$id" {...shared} />
    case "execution":
      return <Link params={{ id }} to="/executions/$id" {...shared} />
    case "delivery":
      return <Link params={{ id }} to="/webhooks/$id" {...shared} />
    case "attempt":
      return <Link search={{ id }} to="/find" {...shared} />
    case "user":
      return <Link search={{ owner: id }} to="/sandboxes" {...shared} />
    case "database":
      return <Link to="/database" {...shared} />
  }
}

/** The id of a source repository, as a filter of the sandboxes. */
export const RepositoryLink = ({ id }: { readonly id: string | null | undefined }) =>
  id === undefined || id === null ? (
    <span className="faint">–</span>
  ) : (
    <span className="id">
      <Link search={{ repository: id }} title={visible(id)} to="/sandboxes">
        {visible(shortId(id))}
      </Link>
      <CopyButton label={`id ${visible(shortId(id))}`} text={id} />
    </span>
  )

/** The id of the row of a page, with a button that copies it. */
export const IdHeading = ({ id }: { readonly id: string }) => (
  <span className="id">
    <span>{visible(id)}</span>
    <CopyButton label={`id ${visible(shortId(id))}`} text={id} />
  </span>
)
