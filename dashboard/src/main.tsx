/**
 * The entry of the page.
 */
import { QueryClientProvider } from "@tanstack/react-query"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { makeQueries } from "./lib/queries.js"
import { Gate } from "./Gate.js"
import { TooltipProvider } from "./ui/Tooltip.js"
import "./styles/tokens.css"
import "./styles/base.css"
import "./styles/shell.css"
import "./styles/controls.css"
import "./styles/content.css"
import "./styles/views.css"

const root = document.getElementById("root")
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={makeQueries()}>
        <TooltipProvider delayDuration={350}>
          <Gate />
        </TooltipProvider>
      </QueryClientProvider>
    </StrictMode>
  )
