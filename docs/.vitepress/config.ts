import { defineConfig } from "vitepress"

const pages = (...names: ReadonlyArray<readonly [string, string]>) =>
  names.map(([text, link]) => ({ text, link: `/${link}` }))

const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

export default defineConfig({
  title: "@sealant/db",
  description: "The persistence layer of a control plane that runs AI coding agents in sandboxes",
  outDir: "../build/site",
  cacheDir: "../build/vitepress",
  // No request for an icon that does not exist.
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: {
    // The anchors of GitHub, so that links to headings work on both. `test/docs.test.ts` computes the same ones.
    anchor: { slugify: anchorOf },
    // Mermaid is loaded by the theme, so that no page needs another server.
    config: (md) => {
      // Tests and examples are part of the repository and not of the site, so the texts of their links stay alone.
      md.core.ruler.push("links-to-the-repository", ({ tokens }) => {
        for (const { children } of tokens) {
          let isOutside = false
          for (const token of children ?? []) {
            if (token.type === "link_open") isOutside = token.attrGet("href")?.startsWith("../") === true
            if (isOutside && token.type.startsWith("link_")) Object.assign(token, { type: "text", tag: "", nesting: 0 })
          }
        }
      })
      const fence = md.renderer.rules.fence
      md.renderer.rules.fence = (tokens, index, options, env, self) => {
        const token = tokens[index]
        return token?.info.trim() === "mermaid"
          ? `<Mermaid text="${encodeURIComponent(token.content)}" />`
          : (fence?.(tokens, index, options, env, self) ?? "")
      }
    }
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    sidebar: [
      {
        text: "Learn",
        items: pages(["Getting started", "getting-started"], ["Concepts", "concepts"], ["Comparison", "comparison"])
      },
      {
        text: "Build",
        items: pages(
          ["API on top", "api-on-top"],
          ["Workers", "workers"],
          ["Leases of workers", "worker-leases"],
          ["Build queue", "build-queue"],
          ["Runtime worker", "runtime-worker"],
          ["Webhooks", "webhooks"],
          ["Secrets", "secrets"],
          ["Events", "events"],
          ["Better Auth", "better-auth"],
          ["Your own tables", "own-tables"],
          ["Testing", "testing"]
        )
      },
      {
        text: "Run",
        items: pages(
          ["Deploying", "deploying"],
          ["Configuration", "configuration"],
          ["sealant-db", "cli"],
          ["Dashboard", "dashboard"],
          ["Operations", "operations"],
          ["Backups", "backups"],
          ["Findings of doctor", "doctor"],
          ["Supervision", "supervision"],
          ["The end of a sandbox", "sandbox-ends"],
          ["Observability", "observability"],
          ["Server", "server"],
          ["Limits of a server", "server-limits"],
          ["Replicas", "server-replicas"],
          ["Migrations", "migrations"],
          ["Upgrading", "upgrading"],
          ["Import", "legacy-import"],
          ["Troubleshooting", "troubleshooting"]
        )
      },
      {
        text: "Reference",
        items: [
          ...pages(["Services", "services"], ["Methods", "api"]),
          // Pages of TypeDoc (`npm run docs:reference`), which are not of this site's router.
          { text: "All exports", link: "/reference/index.html", target: "_self" },
          ...pages(["Schema", "schema"], ["States", "states"], ["SQL", "sql"], ["Limits", "limits"])
        ]
      },
      {
        text: "Background",
        items: pages(
          ["Architecture", "architecture"],
          ["Decisions: client", "decisions-client"],
          ["Decisions: transactions", "decisions-transactions"],
          ["Decisions: rows", "decisions-rows"],
          ["Decisions: queues", "decisions-queue"],
          ["Decisions: features", "decisions-features"],
          ["Threat model", "threat-model"],
          ["Threat model: storage", "threat-model-storage"],
          ["Encryption", "encryption"],
          ["Benchmarks", "benchmarks"]
        )
      }
    ]
  }
})
