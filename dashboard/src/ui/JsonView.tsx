/**
 * A JSON document as a tree of texts. Parts are built when they are opened, so a large document costs what is shown.
 */
import { useMemo, useState } from "react"
import { count, visible } from "../lib/text.js"
import { CopyButton } from "./IdLink.js"

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const decode: (text: string) => Json = JSON.parse

const firstItems = 100
const longString = 2000

const Scalar = ({ value }: { readonly value: null | boolean | number | string }) => {
  const [whole, setWhole] = useState(false)
  if (typeof value === "number") return <span className="json-number">{String(value)}</span>
  if (typeof value !== "string") return <span className="json-literal">{String(value)}</span>
  const isCut = value.length > longString && !whole
  return (
    <>
      <span className="json-string">"{visible(isCut ? value.slice(0, longString) : value)}"</span>
      {isCut ? (
        <button className="button small" onClick={() => setWhole(true)} type="button">
          Show all {count(value.length)} characters
        </button>
      ) : null}
    </>
  )
}

const Key = ({ name }: { readonly name: string | undefined }) =>
  name === undefined ? null : (
    <>
      <span className="json-key">{visible(name)}</span>:{" "}
    </>
  )

const isScalar = (value: Json): value is null | boolean | number | string => typeof value !== "object" || value === null

const Node = ({ depth, name, value }: { readonly name?: string; readonly value: Json; readonly depth: number }) => {
  const [open, setOpen] = useState(depth < 2)
  const [most, setMost] = useState(firstItems)
  if (isScalar(value))
    return (
      <div className="leaf">
        <Key name={name} />
        <Scalar value={value} />
      </div>
    )
  const isArray = Array.isArray(value)
  const entries = Object.entries(value)
  const summary = isArray ? `[${count(entries.length)}]` : `{${count(entries.length)}}`
  if (entries.length === 0)
    return (
      <div className="leaf">
        <Key name={name} />
        <span className="faint">{isArray ? "[]" : "{}"}</span>
      </div>
    )
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)} open={open}>
      <summary>
        <Key name={name} />
        <span className="faint">{summary}</span>
      </summary>
      {open ? (
        <div className="children">
          {entries.slice(0, most).map(([key, child]) => (
            <Node depth={depth + 1} key={key} name={key} value={child} />
          ))}
          {entries.length > most ? (
            <button className="button small" onClick={() => setMost(most * 10)} type="button">
              Show more of {count(entries.length)}
            </button>
          ) : null}
        </div>
      ) : null}
    </details>
  )
}

/** Shows a document. A text that is not JSON is shown as it is. */
export const JsonView = ({ json, label }: { readonly json: string; readonly label: string }) => {
  const value = useMemo(() => {
    try {
      return { parsed: decode(json) }
    } catch {
      return undefined
    }
  }, [json])
  return (
    <div aria-label={label} className="json" role="region" tabIndex={0}>
      <div className="json-copy">
        <CopyButton label={label} text={json} />
      </div>
      {value === undefined ? <pre>{visible(json)}</pre> : <Node depth={0} value={value.parsed} />}
    </div>
  )
}
