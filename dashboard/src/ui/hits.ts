/**
 * The pages of rows that a search has found.
 */
import type { useNavigate } from "@tanstack/react-router"
import type { Hit as ApiHit } from "../../../src/dashboard/api/index.js"

export type Hit = typeof ApiHit.Type

/** Opens the page of a row. A user has none: it is a filter of the sandboxes. */
export const openHit = (
  navigate: ReturnType<typeof useNavigate>,
  { id, kind, pageId }: Hit,
  { replace = false }: { readonly replace?: boolean } = {}
): Promise<void> => {
  const page = pageId ?? id
  switch (kind) {
    case "job":
      return navigate({ to: "/jobs/$id", params: { id }, replace })
    case "sandbox":
    case "attempt":
      return navigate({ to: "/sandboxes/$id", params: { id: page }, replace })
    case "workflow":
    case "issue":
      return navigate({ to: "/workflows/$id", params: { id: page }, replace })
    case "execution":
      return navigate({ to: "/executions/$id", params: { id }, replace })
    case "delivery":
      return navigate({ to: "/webhooks/$id", params: { id }, replace })
    case "event":
      return navigate({ to: "/events/$position", params: { position: id }, replace })
    case "user":
      return navigate({ to: "/sandboxes", search: { owner: id }, replace })
  }
}
