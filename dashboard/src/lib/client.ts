/**
 * The client of the API. Its types are those of `DashboardApi`, the contract that the server implements; the page needs
 * nothing of it at run time but the paths.
 */
import type { HttpApi, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
import { csrfHeader, paths } from "../../../src/dashboard/api/paths.js"
import type { DashboardApi } from "../../../src/dashboard/api/index.js"
import { ApiError } from "./errors.js"

type GroupsOf<Api> = Api extends HttpApi.HttpApi<infer _Id, infer Groups, infer _E, infer _R> ? Groups : never
type Groups = GroupsOf<typeof DashboardApi>

export type GroupName = keyof typeof paths & HttpApiGroup.HttpApiGroup.Name<Groups>
export type EndpointName<G extends GroupName> = keyof (typeof paths)[G] & string

type Endpoint<G extends GroupName, N extends string> = HttpApiEndpoint.HttpApiEndpoint.WithName<
  HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, G>,
  N
>

type Values = Readonly<Record<string, unknown>>

interface Parts {
  readonly path?: Values
  readonly urlParams?: Values
  readonly payload?: Values
}

type Part<Name extends string, A> = [A] extends [never] ? object : { readonly [K in Name]: A }

/** The request of an endpoint: its `path`, `urlParams` and `payload`. */
export type Request<G extends GroupName, N extends string> = Extract<
  Part<"path", HttpApiEndpoint.HttpApiEndpoint.PathParsed<Endpoint<G, N>>> &
    Part<"urlParams", HttpApiEndpoint.HttpApiEndpoint.UrlParams<Endpoint<G, N>>> &
    Part<"payload", HttpApiEndpoint.HttpApiEndpoint.Payload<Endpoint<G, N>>>,
  Parts
>

/** The result of an endpoint. */
export type Result<G extends GroupName, N extends string> = HttpApiEndpoint.HttpApiEndpoint.Success<Endpoint<G, N>>

/** The address of the Dashboard: the `<base>` that the server wrote into the page. */
export const baseUrl = new URL(document.baseURI)

let csrfToken = ""

/** Sets the token that writes carry. */
export const setCsrfToken = (token: string): void => {
  csrfToken = token
}

/** Builds the address of an endpoint. Parameters that are undefined or empty are omitted. */
export const addressOf = (template: string, { path = {}, urlParams = {} }: Parts): URL => {
  const filled = template.slice(1).replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(path[name])))
  const url = new URL(filled, baseUrl)
  for (const [name, value] of Object.entries(urlParams))
    if (value !== undefined && value !== "") url.searchParams.set(name, String(value))
  return url
}

/**
 * Calls an endpoint. Fails with `ApiError`, whose `tag` is that of the error in the contract, `Offline` when the server
 * does not answer.
 */
export const call = async <G extends GroupName, N extends EndpointName<G>>(
  group: G,
  name: N,
  request: Request<G, N>,
  signal?: AbortSignal
): Promise<Result<G, N>> => {
  const endpoints: Readonly<Record<string, readonly [method: string, path: string]>> = paths[group]
  const [method = "GET", template = ""] = endpoints[name] ?? []
  const parts: Parts = request
  const response = await fetch(addressOf(template, parts), {
    method,
    ...(signal === undefined ? {} : { signal }),
    headers: method === "GET" ? {} : { "content-type": "application/json", [csrfHeader]: csrfToken },
    ...(method === "GET" ? {} : { body: JSON.stringify(parts.payload ?? {}) })
  }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error
    throw new ApiError("Offline", "the Dashboard does not answer; is `sealant-db dashboard` still running?")
  })
  if (!response.ok) throw await ApiError.of(response)
  return response.json()
}
