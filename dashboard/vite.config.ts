/**
 * The build of the page into `dist/dashboard`. Addresses in it are relative, because the server may serve it under a path.
 */
import { fileURLToPath } from "node:url"
import { defineConfig, type Plugin } from "vite"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/**
 * Leaves out of Mermaid all kinds of diagrams but entity relationships, and the layouts and typesetting of the others.
 * Mermaid imports each of them on demand; without this the package would contain 3 MB that the page never loads.
 */
const onlyEntityDiagrams = (): Plugin => ({
  name: "only-entity-diagrams",
  enforce: "pre",
  resolveId: (id, importer) => {
    if (importer === undefined || !importer.includes("/mermaid/")) return
    const isOther = /(diagram|definition)(-v2)?-\w+\.mjs$/i.test(id) && !/\/erDiagram-/i.test(id)
    const isExtra = /\/(cose-bilkent|swimlanes?|tidy-tree|katex)-\w+\.mjs$/.test(id)
    return isOther || isExtra ? "\0unused" : undefined
  },
  load: (id) => (id === "\0unused" ? "export default {}; export const diagram = {}" : undefined)
})

export default defineConfig({
  root: path("."),
  base: "./",
  plugins: [onlyEntityDiagrams()],
  // The bundled Mermaid: otherwise its dependencies are 1,300 more modules to transform.
  resolve: { alias: { mermaid: path("../node_modules/mermaid/dist/mermaid.esm.min.mjs") } },
  build: {
    outDir: path("../dist/dashboard"),
    emptyOutDir: true,
    target: "es2022",
    // Browsers that run the page support it.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rollupOptions: {
      onwarn: (warning, report) => {
        // "use client" has no meaning without a server that renders.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") report(warning)
      }
    }
  },
  server: { proxy: { "/api": "http://127.0.0.1:5480" } }
})
