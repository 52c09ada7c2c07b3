/**
 * Draws a diagram in the browser, with the package `mermaid`, which is a chunk of the site.
 */
import { useData } from "vitepress"
import { defineComponent, h, onMounted, ref, watch } from "vue"

let count = 0

export const Mermaid = defineComponent({
  props: { text: { type: String, required: true } },
  setup: (props) => {
    const svg = ref("")
    const { isDark } = useData()
    const draw = async () => {
      const { default: mermaid } = await import("mermaid")
      mermaid.initialize({ startOnLoad: false, theme: isDark.value ? "dark" : "neutral" })
      svg.value = (await mermaid.render(`diagram-${count++}`, decodeURIComponent(props.text))).svg
    }
    onMounted(draw)
    watch(isDark, draw)
    return () => h("div", { innerHTML: svg.value })
  }
})
