/**
 * Shows the login form, or the pages when there is a session.
 */
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { useEffect } from "react"
import { ApiError } from "./lib/errors.js"
import { configQuery } from "./lib/queries.js"
import { Login } from "./pages/Login.js"
import { router } from "./router.js"
import { Failure } from "./ui/basics.js"

/** Reads the session again when a request finds that it has ended. */
const useEndedSession = () => {
  const queries = useQueryClient()
  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ query }) => {
        const { error } = query.state
        const isConfig = query.queryKey[0] === "session"
        if (error instanceof ApiError && error.tag === "Unauthenticated" && !isConfig)
          void queries.invalidateQueries({ queryKey: configQuery.queryKey })
      }),
    [queries]
  )
}

export const Gate = () => {
  const config = useQuery(configQuery)
  useEndedSession()
  if (config.data === undefined)
    return config.error === null ? (
      <p className="boot">Loading Sealant Dashboard</p>
    ) : (
      <div className="page">
        <Failure error={config.error} retry={() => void config.refetch()} />
      </div>
    )
  return config.data.authenticated ? <RouterProvider router={router} /> : <Login />
}
