/**
 * The routes. The code of each page is loaded when it is opened, or when its link is about to be.
 */
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
  Link
} from "@tanstack/react-router"
import { App } from "./App.js"
import { baseUrl } from "./lib/client.js"
import { parseSearch, stringifySearch, validateSearch } from "./lib/search.js"
import { Empty, Failure, SkeletonBlock } from "./ui/basics.js"
import { Page } from "./ui/Page.js"

const NotFoundPage = () => (
  <Page title="Not found">
    <div className="card">
      <Empty icon="search" title="There is no page at this address">
        <Link to="/">Open the overview</Link>, or search for an id with <kbd>/</kbd>.
      </Empty>
    </div>
  </Page>
)

const ErrorPage = ({ error, reset }: ErrorComponentProps) => (
  <Page title="Error">
    <Failure error={error instanceof Error ? error : new Error("the page failed")} retry={reset} />
  </Page>
)

const root = createRootRoute({ component: App, notFoundComponent: NotFoundPage })

const route = <Path extends string>(path: Path) => ({ getParentRoute: () => root, path, validateSearch })

const routes = [
  createRoute({ ...route("/"), component: lazyRouteComponent(() => import("./pages/Overview.js"), "Overview") }),
  createRoute({ ...route("/jobs"), component: lazyRouteComponent(() => import("./pages/Jobs.js"), "Jobs") }),
  createRoute({ ...route("/jobs/$id"), component: lazyRouteComponent(() => import("./pages/Job.js"), "Job") }),
  createRoute({
    ...route("/sandboxes"),
    component: lazyRouteComponent(() => import("./pages/Sandboxes.js"), "Sandboxes")
  }),
  createRoute({
    ...route("/sandboxes/$id"),
    component: lazyRouteComponent(() => import("./pages/Sandbox.js"), "Sandbox")
  }),
  createRoute({
    ...route("/workflows"),
    component: lazyRouteComponent(() => import("./pages/Workflows.js"), "Workflows")
  }),
  createRoute({
    ...route("/workflows/$id"),
    component: lazyRouteComponent(() => import("./pages/Workflow.js"), "Workflow")
  }),
  createRoute({
    ...route("/executions/$id"),
    component: lazyRouteComponent(() => import("./pages/Execution.js"), "Execution")
  }),
  createRoute({
    ...route("/webhooks"),
    component: lazyRouteComponent(() => import("./pages/Webhooks.js"), "Webhooks")
  }),
  createRoute({
    ...route("/webhooks/$id"),
    component: lazyRouteComponent(() => import("./pages/Delivery.js"), "Delivery")
  }),
  createRoute({ ...route("/events"), component: lazyRouteComponent(() => import("./pages/Events.js"), "Events") }),
  createRoute({
    ...route("/events/$position"),
    component: lazyRouteComponent(() => import("./pages/Event.js"), "Event")
  }),
  createRoute({
    ...route("/database"),
    component: lazyRouteComponent(() => import("./pages/Database.js"), "Database")
  }),
  createRoute({ ...route("/find"), component: lazyRouteComponent(() => import("./pages/Find.js"), "Find") })
] as const

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: baseUrl.pathname,
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultErrorComponent: ErrorPage,
  defaultPendingComponent: () => <SkeletonBlock height={320} />,
  scrollRestoration: true
})

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router
  }
}
