/**
 * Queries of the API by group and name. The parts of their keys are those of the request, so equal requests share a result.
 */
import {
  keepPreviousData,
  QueryClient,
  type QueryClientConfig,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient
} from "@tanstack/react-query"
import type { JournalEvent } from "../../../src/dashboard/api/index.js"
import { call, type EndpointName, type GroupName, type Request, type Result, setCsrfToken } from "./client.js"
import { ApiError } from "./errors.js"

const isFinal = (error: unknown) =>
  error instanceof ApiError && error.tag !== "Offline" && error.tag !== "PersistenceError"

const config: QueryClientConfig = {
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 2 && !isFinal(error),
      staleTime: 1000,
      gcTime: 60_000,
      refetchOnWindowFocus: true,
      structuralSharing: true
    }
  }
}

/** Builds the cache of the page. */
export const makeQueries = (): QueryClient => new QueryClient(config)

/** The query of an endpoint. A `live` one is read again after each change of the database. */
export const query = <G extends GroupName, N extends EndpointName<G>>(
  group: G,
  name: N,
  request: Request<G, N>,
  { live = true }: { readonly live?: boolean } = {}
) =>
  queryOptions<Result<G, N>>({
    queryKey: [group, name, request],
    queryFn: ({ signal }) => call(group, name, request, signal),
    meta: { live }
  })

/** Reads an endpoint. `keep`: shows the previous result while another page of the list is read. */
export const useApi = <G extends GroupName, N extends EndpointName<G>>(
  group: G,
  name: N,
  request: Request<G, N>,
  options: { readonly live?: boolean; readonly keep?: boolean; readonly enabled?: boolean } = {}
) =>
  useQuery({
    ...query(group, name, request, options),
    ...(options.keep === true ? { placeholderData: keepPreviousData } : {}),
    ...(options.enabled === undefined ? {} : { enabled: options.enabled })
  })

/** The session: what the server allows. */
export const configQuery = queryOptions<Result<"session", "config">>({
  queryKey: ["session", "config"],
  queryFn: async ({ signal }) => {
    const session = await call("session", "config", {}, signal)
    setCsrfToken(session.csrfToken)
    return session
  },
  staleTime: Number.POSITIVE_INFINITY
})

/** Returns the session. The shell has read it before it shows a page. */
export const useConfig = (): Result<"session", "config"> | undefined => useQuery(configQuery).data

/** Returns whether actions exist: not in read-only mode. */
export const useMayWrite = (): boolean => useConfig()?.mode === "read-write"

/** Returns a function that calls an action, and then reads everything again. */
export const useAction = () => {
  const queries = useQueryClient()
  const { mutateAsync } = useMutation({
    mutationFn: (run: () => Promise<unknown>) => run(),
    onSettled: () => queries.invalidateQueries()
  })
  return mutateAsync
}

export type { JournalEvent }
