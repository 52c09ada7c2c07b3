import type { Theme } from "vitepress"
// Without the fonts of the default theme: the fonts of the system are enough.
import DefaultTheme from "vitepress/theme-without-fonts"
import { Mermaid } from "./Mermaid.js"

const theme: Theme = {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => void app.component("Mermaid", Mermaid)
}

export default theme
