/**
 * A chart that is loaded on demand, in a place of its final size.
 */
import { lazy, Suspense } from "react"
import type { ChartProps } from "./Chart.js"

const Loaded = lazy(async () => ({ default: (await import("./Chart.js")).Chart }))

export const LazyChart = (props: ChartProps) => (
  <Suspense fallback={<div className="chart" />}>
    <Loaded {...props} />
  </Suspense>
)

/** The names of the series, beside their colours. */
export const Legend = ({ series }: { readonly series: ChartProps["series"] }) => (
  <div className="legend">
    {series.map(({ label, tone }) => (
      <span key={label}>
        <i style={{ background: `var(--${tone}-line)` }} />
        {label}
      </span>
    ))}
  </div>
)
