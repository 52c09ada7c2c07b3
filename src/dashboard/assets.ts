/**
 * The files of the page, which `npm run build` writes to `dist/dashboard`. All are read when the Dashboard starts, so a
 * request cannot name a path outside of the directory.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, extname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

interface Asset {
  readonly body: Uint8Array
  readonly type: string
  /** The body with gzip, for texts. */
  readonly gzip: () => Uint8Array | undefined
  /** The name contains the hash of the content, so that a browser keeps the file. */
  readonly immutable: boolean
}

/** The files of a page. */
export interface Assets {
  /** Returns the response for a path such as `/assets/index-1a2b3c4d.js`, or `undefined`. */
  readonly fileAt: (path: string, acceptEncoding: string) => HttpServerResponse.HttpServerResponse | undefined
  /** The page itself, for every path that is not a file. */
  readonly index: HttpServerResponse.HttpServerResponse
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2"
}

const isText = (type: string) => !/^(image\/(png|x-icon)|font)/.test(type)

/** Finds `dist/dashboard` beside this file: the sources, the built files and a bundle are at different depths. */
const directory = (): string | undefined => {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (let depth = 0; depth < 5; depth++) {
    const found = join(folder, "dist", "dashboard")
    if (existsSync(join(found, "index.html"))) return found
    folder = dirname(folder)
  }
  return undefined
}

const once = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

const assetOf = (file: string, name: string): Asset => {
  const body = readFileSync(file)
  const type = types[extname(file)] ?? "application/octet-stream"
  return {
    body,
    type,
    gzip: once(() => (isText(type) ? gzipSync(body, { level: 9 }) : undefined)),
    immutable: /^assets\/.*-[\w-]{8,}\.\w+$/.test(name)
  }
}

const responseOf = ({ body, gzip, immutable, type }: Asset, acceptEncoding: string) => {
  const compressed = /\bgzip\b/.test(acceptEncoding) ? gzip() : undefined
  return HttpServerResponse.uint8Array(compressed ?? body, {
    contentType: type,
    headers: {
      "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
      vary: "accept-encoding",
      ...(compressed === undefined ? {} : { "content-encoding": "gzip" })
    }
  })
}

/** Sets the base of the relative addresses in the page. `path` consists of letters, digits and - . _ ~ and slashes. */
const withBase = (html: string, path: string) =>
  html.replace(/<base [^>]*>/, "").replace("<head>", `<head><base href="${path}/">`)

const notBuilt = HttpServerResponse.text("the page of the Dashboard is not built: run `npm run build`\n", {
  status: 503,
  headers: { "cache-control": "no-store" }
})

/** Reads the files of the page. `path` is the path below which the Dashboard is mounted. */
export const readAssets = (path: string, from: string | undefined = directory()): Assets => {
  if (from === undefined) return { fileAt: () => undefined, index: notBuilt }
  const files = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const assets = new Map<string, Asset>(
    files.map((entry) => {
      const file = join(entry.parentPath, entry.name)
      const name = relative(from, file).split(sep).join("/")
      return [`/${name}`, assetOf(file, name)] as const
    })
  )
  const html = withBase(readFileSync(join(from, "index.html"), "utf8"), path)
  assets.delete("/index.html")
  return {
    fileAt: (name, acceptEncoding) => {
      const asset = assets.get(name)
      return asset === undefined ? undefined : responseOf(asset, acceptEncoding)
    },
    index: HttpServerResponse.text(html, {
      contentType: "text/html; charset=utf-8",
      headers: { "cache-control": "no-cache" }
    })
  }
}
