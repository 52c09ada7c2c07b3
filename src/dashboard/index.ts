/**
 * `@sealant/db/dashboard`: the web page for operators, to be mounted on an HTTP server of the program.
 */
export * as Dashboard from "./Dashboard.js"
export * as DashboardApi from "./api/index.js"
