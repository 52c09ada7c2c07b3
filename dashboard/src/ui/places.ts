/**
 * The pages of the navigation, and the letters that open them after `g`.
 */
import type { IconName } from "./Icon.js"

export const places = [
  { to: "/", label: "Overview", icon: "overview", key: "o" },
  { to: "/jobs", label: "Build jobs", icon: "jobs", key: "j" },
  { to: "/sandboxes", label: "Sandboxes", icon: "sandboxes", key: "s" },
  { to: "/workflows", label: "Issue workflows", icon: "workflows", key: "w" },
  { to: "/webhooks", label: "Webhooks", icon: "webhooks", key: "h" },
  { to: "/events", label: "Events", icon: "events", key: "e" },
  { to: "/database", label: "Database", icon: "database", key: "d" }
] as const satisfies ReadonlyArray<{
  readonly to: string
  readonly label: string
  readonly icon: IconName
  readonly key: string
}>
