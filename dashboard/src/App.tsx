/**
 * The shell of all pages: navigation, search, the state of the live stream, shortcuts, messages.
 */
import * as Dialog from "@radix-ui/react-dialog"
import { useQueryClient } from "@tanstack/react-query"
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router"
import { useEffect, useRef, useState } from "react"
import { call, setCsrfToken } from "./lib/client.js"
import { useShortcuts } from "./lib/keyboard.js"
import { startLive, useLiveState } from "./lib/live.js"
import { configQuery, useConfig } from "./lib/queries.js"
import { visible } from "./lib/text.js"
import { useFilterKey } from "./ui/filters.js"
import { Icon } from "./ui/Icon.js"
import { Palette } from "./ui/Palette.js"
import { places } from "./ui/places.js"
import { ThemeMenu } from "./ui/ThemeMenu.js"
import { Toasts } from "./ui/toasts.js"

const Logo = () => (
  <svg aria-hidden="true" viewBox="0 0 32 32">
    <rect fill="var(--accent)" height="32" rx="7" width="32" />
    <path
      d="M9 20.5 16 24l7-3.5M9 16l7 3.5 7-3.5M16 8l-7 3.5 7 3.5 7-3.5z"
      fill="none"
      stroke="var(--on-accent)"
      strokeLinecap="round"
      strokeLinejoin="round"
      strokeWidth="2"
    />
  </svg>
)

const Sidebar = () => {
  const config = useConfig()
  return (
    <aside className="sidebar">
      <Link className="brand" to="/">
        <Logo />
        <span>Sealant</span>
      </Link>
      <nav aria-label="Pages of the Dashboard" className="nav">
        {places.map(({ icon, key, label, to }) => (
          <Link
            activeOptions={{ exact: to === "/", includeSearch: false }}
            activeProps={{ className: "active" }}
            className="nav-link"
            key={to}
            title={label}
            to={to}
          >
            <Icon name={icon} />
            <span>{label}</span>
            <kbd aria-hidden="true">g {key}</kbd>
          </Link>
        ))}
      </nav>
      <div className="sidebar-foot">
        {config?.database === undefined ? null : (
          <span className="truncate" title={config.database.name}>
            {config.database.kind}: {visible(config.database.name)}
          </span>
        )}
        {config?.actor === undefined ? null : <span className="truncate">{visible(config.actor)}</span>}
      </div>
    </aside>
  )
}

const stateTexts = {
  open: ["Live", "Changes appear as they are committed"],
  connecting: ["Connecting", "The live stream is not connected; it is tried again"],
  paused: ["Paused", "The live stream continues when the page is visible"],
  closed: ["Offline", "The live stream is closed"]
} as const

const LiveState = () => {
  const state = useLiveState()
  const [label, title] = stateTexts[state]
  return (
    <span className="live" data-state={state} role="status" title={title}>
      <span className="live-dot" />
      {label}
    </span>
  )
}

const Logout = () => {
  const queries = useQueryClient()
  const leave = async () => {
    const session = await call("session", "logout", { payload: {} })
    setCsrfToken(session.csrfToken)
    // Shows the login form. No answer of this session stays in the memory of the page.
    queries.setQueryData(configQuery.queryKey, session)
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== configQuery.queryKey[0] })
  }
  return (
    <button aria-label="Log out" className="icon-button" onClick={() => void leave()} title="Log out" type="button">
      <Icon name="logout" />
    </button>
  )
}

const keys: ReadonlyArray<readonly [keys: ReadonlyArray<string>, does: string]> = [
  [["j"], "Next row"],
  [["k"], "Previous row"],
  [["Enter"], "Open the row"],
  [["/"], "Filter the list, or search"],
  [["Ctrl", "K"], "Search any id"],
  ...places.map(({ key, label }) => [["g", key], label] as const),
  [["?"], "This list"],
  [["Esc"], "Close a dialog, leave a field"]
]

const KeyHelp = ({
  onOpenChange,
  open
}: {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
}) => (
  <Dialog.Root onOpenChange={onOpenChange} open={open}>
    <Dialog.Portal>
      <Dialog.Overlay className="overlay" />
      <Dialog.Content aria-describedby={undefined} className="dialog">
        <Dialog.Title asChild>
          <h2>Keyboard shortcuts</h2>
        </Dialog.Title>
        <dl className="keys" style={{ marginTop: 14 }}>
          {keys.map(([combination, does]) => (
            <KeyRow combination={combination} does={does} key={does} />
          ))}
        </dl>
      </Dialog.Content>
    </Dialog.Portal>
  </Dialog.Root>
)

const KeyRow = ({ combination, does }: { readonly combination: ReadonlyArray<string>; readonly does: string }) => (
  <>
    <dt>
      {combination.map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </dt>
    <dd>{does}</dd>
  </>
)

/** Moves the focus to the page after a navigation, so that screen readers and keys start there. */
const useFocusOnNavigation = () => {
  const main = useRef<HTMLElement>(null)
  const path = useRouterState({ select: ({ location }) => location.pathname })
  const first = useRef(true)
  useEffect(() => {
    if (first.current) first.current = false
    else main.current?.focus({ preventScroll: true })
  }, [path])
  return main
}

/** The shell, around the current page. */
export const App = () => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const config = useConfig()
  const main = useFocusOnNavigation()
  const [searching, setSearching] = useState(false)
  const [helping, setHelping] = useState(false)
  useEffect(() => startLive(queries), [queries])
  useFilterKey(() => setSearching(true))
  useShortcuts({
    "mod+k": () => setSearching(true),
    "?": () => setHelping(true),
    ...Object.fromEntries(places.map(({ key, to }) => [`g ${key}`, () => void navigate({ to })]))
  })
  return (
    <div className="app">
      <button className="skip" onClick={() => main.current?.focus()} type="button">
        Skip to the page
      </button>
      <Sidebar />
      <div className="main">
        <div className="topbar">
          <button className="search-button" onClick={() => setSearching(true)} type="button">
            <Icon name="search" size={14} />
            Search any id
            <kbd aria-hidden="true">Ctrl K</kbd>
          </button>
          <div className="topbar-end">
            {config?.mode === "read-only" ? (
              <span className="badge plain tone-amber">
                <Icon name="lock" size={12} /> Read-only
              </span>
            ) : null}
            <LiveState />
            <button
              aria-label="Keyboard shortcuts"
              className="icon-button"
              onClick={() => setHelping(true)}
              title="Keyboard shortcuts (?)"
              type="button"
            >
              <Icon name="keyboard" />
            </button>
            <ThemeMenu />
            {config?.loginRequired === true ? <Logout /> : null}
          </div>
        </div>
        <main className="page" id="page" ref={main} tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <Palette onOpenChange={setSearching} open={searching} />
      <KeyHelp onOpenChange={setHelping} open={helping} />
      <Toasts />
    </div>
  )
}
