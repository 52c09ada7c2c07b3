/**
 * Draws a diagram in the browser, with the package `mermaid`, which is a chunk of the site.
 */
import { defineComponent, h, onMounted, ref } from "vue"

let count = 0

export const Mermaid = defineComponent({
  props: { text: { type: String, required: true } },
  setup: (props) => {
    const svg = ref("")
    onMounted(async () => {
      const { default: mermaid } = await import("mermaid")
      const isDark = document.documentElement.classList.contains("dark")
      mermaid.initialize({ startOnLoad: false, theme: isDark ? "dark" : "neutral" })
      svg.value = (await mermaid.render(`diagram-${count++}`, decodeURIComponent(props.text))).svg
    })
    return () => h("div", { innerHTML: svg.value })
  }
})
