/**
 * Filters and pages of lists, in the address of the page. All values are texts, so an address is readable.
 */
import { useNavigate, useRouterState, useSearch } from "@tanstack/react-router"
import { useCallback } from "react"

const names = [
  "status",
  "owner",
  "repository",
  "worker",
  "error",
  "after",
  "before",
  "search",
  "archived",
  "type",
  "installation",
  "subject",
  "state",
  "actor",
  "id",
  "tab",
  "range",
  "cursor",
  "page"
] as const

/** The parameters of an address. */
export type ListSearch = { readonly [Name in (typeof names)[number]]?: string | undefined }

/** Keeps the known parameters of an address that are texts. */
export const validateSearch = (search: Record<string, unknown>): ListSearch =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = search[name]
      return typeof value === "string" && value !== "" ? [[name, value]] : []
    })
  )

/** Reads the parameters of an address as texts. */
export const parseSearch = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text))

/** Writes parameters into an address. */
export const stringifySearch = (search: Record<string, unknown>): string => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) if (typeof value === "string") parameters.set(name, value)
  const text = parameters.toString()
  return text === "" ? "" : `?${text.replaceAll("%2C", ",")}`
}

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** The cursors of the pages before this one; the first page has an empty one. */
    trail?: ReadonlyArray<string>
  }
}

const longestTrail = 200

/** The filters of the current list, and the functions that change them. A changed filter starts at the first page. */
export const useList = () => {
  const search: ListSearch = useSearch({ strict: false })
  const navigate = useNavigate()
  const trail = useRouterState({ select: ({ location }) => location.state.trail })
  const { cursor = "", page: pageText = "1", ...filters } = search
  const page = Math.max(1, Number.parseInt(pageText, 10) || 1)

  const setFilters = useCallback(
    (changes: ListSearch) => {
      const next = validateSearch({ ...filters, ...changes })
      void navigate({ to: ".", search: next, replace: true })
    },
    [navigate, filters]
  )
  const goTo = (next: ListSearch, state: { readonly trail?: ReadonlyArray<string> }) => {
    void navigate({ to: ".", search: validateSearch({ ...filters, ...next }), state })
  }
  const previous = trail?.at(-1)
  return {
    search,
    filters,
    page,
    setFilters,
    cursorParams: cursor === "" ? {} : { cursor },
    paging: {
      page,
      onFirst: () => goTo({}, {}),
      onNext: (next: string) =>
        goTo({ cursor: next, page: String(page + 1) }, { trail: [...(trail ?? []), cursor].slice(-longestTrail) }),
      onPrevious:
        previous === undefined || page === 1
          ? undefined
          : () =>
              goTo(previous === "" ? {} : { cursor: previous, page: String(page - 1) }, {
                trail: (trail ?? []).slice(0, -1)
              })
    }
  }
}
