/**
 * The command palette: pages, and the rows with an id.
 */
import * as Dialog from "@radix-ui/react-dialog"
import { useNavigate } from "@tanstack/react-router"
import { Command } from "cmdk"
import { useDeferredValue, useEffect, useState } from "react"
import { useApi } from "../lib/queries.js"
import { visible } from "../lib/text.js"
import { Tag } from "./basics.js"
import { type Hit, openHit } from "./hits.js"
import { Icon } from "./Icon.js"
import { places } from "./places.js"

const keyOf = ({ id, kind }: Hit) => `${kind} ${id}`

const Hits = ({ hits, open }: { readonly hits: ReadonlyArray<Hit>; readonly open: (hit: Hit) => void }) => (
  <Command.Group heading="Rows with this id">
    {hits.map((hit) => (
      <Command.Item key={keyOf(hit)} onSelect={() => open(hit)} value={keyOf(hit)}>
        <Tag>{hit.kind}</Tag>
        <span className="truncate">{visible(hit.label ?? hit.id)}</span>
        <span className="push mono faint truncate">{hit.label === undefined ? "" : visible(hit.id)}</span>
      </Command.Item>
    ))}
  </Command.Group>
)

// Ids have at least this length; shorter texts only find pages.
const shortestId = 4

const Contents = ({ close }: { readonly close: () => void }) => {
  const navigate = useNavigate()
  const [text, setText] = useState("")
  const [selected, setSelected] = useState("")
  const id = useDeferredValue(text.trim())
  const found = useApi("overview", "search", { urlParams: { id } }, { live: false, enabled: id.length >= shortestId })
  const hits = found.data ?? []
  const matching = places.filter(({ label }) => label.toLowerCase().includes(id.toLowerCase()))
  // Results arrive after the text was entered, so the first one is selected then.
  const first = hits[0] === undefined ? matching[0]?.to : keyOf(hits[0])
  useEffect(() => setSelected(first ?? ""), [first])
  const open = (hit: Hit) => {
    close()
    void openHit(navigate, hit)
  }
  return (
    <Command label="Search" loop onValueChange={setSelected} shouldFilter={false} value={selected}>
      <Command.Input
        maxLength={300}
        onValueChange={setText}
        placeholder="Paste an id, or type the name of a page"
        spellCheck={false}
        value={text}
      />
      <Command.List label="Results">
        {hits.length > 0 ? <Hits hits={hits} open={open} /> : null}
        {matching.length > 0 ? (
          <Command.Group heading="Pages">
            {matching.map(({ icon, key, label, to }) => (
              <Command.Item
                key={to}
                onSelect={() => {
                  close()
                  void navigate({ to })
                }}
                value={to}
              >
                <Icon name={icon} />
                {label}
                <span className="push">
                  <kbd>g</kbd> <kbd>{key}</kbd>
                </span>
              </Command.Item>
            ))}
          </Command.Group>
        ) : null}
        {hits.length === 0 && matching.length === 0 ? (
          <div className="palette-hint" role="status">
            {found.isFetching
              ? "Searching"
              : `No job, sandbox, attempt, workflow, execution, delivery or user has the id ${visible(id)}.`}
          </div>
        ) : null}
      </Command.List>
    </Command>
  )
}

/** The dialog of the palette. */
export const Palette = ({
  onOpenChange,
  open
}: {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
}) => (
  <Dialog.Root onOpenChange={onOpenChange} open={open}>
    <Dialog.Portal>
      <Dialog.Overlay className="overlay" />
      <Dialog.Content aria-describedby={undefined} className="dialog palette">
        <Dialog.Title className="sr">Search</Dialog.Title>
        <Contents close={() => onOpenChange(false)} />
      </Dialog.Content>
    </Dialog.Portal>
  </Dialog.Root>
)
