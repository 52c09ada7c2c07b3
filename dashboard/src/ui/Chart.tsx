/**
 * Charts of values over time, drawn by uPlot on a canvas. Loaded on demand: `LazyChart.tsx`.
 */
import { useEffect, useMemo, useRef } from "react"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { colour, useIsDark } from "../lib/theme.js"
import type { Tone } from "./basics.js"
import { count } from "../lib/text.js"

/** A series: one value for each time. */
export interface Series {
  readonly label: string
  readonly tone: Tone
  readonly values: ReadonlyArray<number>
}

export interface ChartProps {
  readonly label: string
  /** Epoch milliseconds, ascending. */
  readonly times: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
  /** `area`: a line with a fill for each series. `stack`: bars on top of each other. */
  readonly kind: "area" | "stack"
}

const height = 190

const faded = (line: string) => `color-mix(in srgb, ${line} 14%, transparent)`

/** The sums of each series and those after it, so that the first one is drawn highest and the others over it. */
const stacked = (series: ReadonlyArray<Series>): Array<Array<number>> =>
  series.map(({ values }, index) =>
    values.map((value, at) => series.slice(index + 1).reduce((sum, other) => sum + (other.values[at] ?? 0), value))
  )

const dataOf = ({ kind, series, times }: Pick<ChartProps, "kind" | "series" | "times">): uPlot.AlignedData => [
  times.map((time) => time / 1000),
  ...(kind === "stack" ? stacked(series) : series.map(({ values }) => [...values]))
]

const fontOf = () => `11px ${colour("--font")}`

const axis = (side: { readonly grid: boolean; readonly size: number }): uPlot.Axis => ({
  stroke: colour("--faint"),
  font: fontOf(),
  size: side.size,
  gap: 6,
  grid: { show: side.grid, stroke: colour("--border"), width: 1 },
  ticks: { show: false }
})

/** Writes the values under the cursor into a box that follows it. */
const tooltip = (box: HTMLElement, series: () => ReadonlyArray<Series>): uPlot.Plugin => ({
  hooks: {
    init: (plot) => {
      plot.over.append(box)
      plot.over.addEventListener("mouseleave", () => {
        box.hidden = true
      })
    },
    setCursor: (plot) => {
      const at = plot.cursor.idx
      const time = at === null || at === undefined ? undefined : plot.data[0][at]
      box.hidden = time === undefined || at === null || at === undefined
      if (time === undefined || at === null || at === undefined) return
      const lines = series().map(({ label, values }) => `${count(values[at] ?? 0)} ${label}`)
      box.textContent = [new Date(time * 1000).toLocaleTimeString("en-GB"), ...lines].join("\n")
      const left = plot.valToPos(time, "x")
      const isRight = left > plot.over.clientWidth / 2
      box.style.left = isRight ? "" : `${left + 10}px`
      box.style.right = isRight ? `${plot.over.clientWidth - left + 10}px` : ""
    }
  }
})

const optionsOf = (
  { kind, series }: Pick<ChartProps, "kind" | "series">,
  width: number,
  box: HTMLElement,
  current: () => ReadonlyArray<Series>
): uPlot.Options => ({
  width,
  height,
  padding: [8, 4, 0, 0],
  legend: { show: false },
  cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
  scales: {
    // Half an interval more at both sides, for the whole of the first and the last bar.
    x: {
      range: ({ data: [times] }, min, max) => {
        const margin = kind === "stack" && times.length > 1 ? (max - min) / (times.length - 1) / 2 : 0
        return [min - margin, max + margin]
      }
    },
    y: { range: (_, __, max) => [0, Math.max(4, max * 1.1)] }
  },
  axes: [
    {
      ...axis({ grid: false, size: 28 }),
      values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString("en-GB").slice(0, 5))
    },
    {
      ...axis({ grid: true, size: 44 }),
      values: (_, values) => values.map((value) => (value % 1 === 0 ? count(value) : ""))
    }
  ],
  series: [
    {},
    ...series.map(({ label, tone }): uPlot.Series => {
      const line = colour(`--${tone}-line`)
      return kind === "area"
        ? { label, stroke: line, width: 1.5, fill: faded(line), points: { show: false } }
        : {
            label,
            fill: line,
            stroke: line,
            width: 0,
            points: { show: false },
            ...(uPlot.paths.bars === undefined ? {} : { paths: uPlot.paths.bars({ size: [0.7, 14] }) })
          }
    })
  ],
  plugins: [tooltip(box, current)]
})

/** A chart. It is as wide as its container. */
export const Chart = ({ kind, label, series, times }: ChartProps) => {
  const container = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const isDark = useIsDark()
  const current = useRef(series)
  const data = useMemo(() => dataOf({ kind, series, times }), [kind, series, times])
  const latest = useRef(data)
  const shape = series.map(({ label: name, tone }) => `${name} ${tone}`).join()
  useEffect(() => {
    current.current = series
    latest.current = data
    plot.current?.setData(data)
  }, [series, data])
  useEffect(() => {
    const element = container.current
    if (element === null) return
    const box = document.createElement("div")
    box.className = "chart-tip"
    box.hidden = true
    const drawn = new uPlot(
      optionsOf({ kind, series: current.current }, element.clientWidth, box, () => current.current),
      latest.current,
      element
    )
    plot.current = drawn
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      drawn.destroy()
      plot.current = null
    }
    // A new theme or another set of series needs a new plot; new values do not.
  }, [kind, isDark, shape])
  return <div aria-label={label} className="chart" ref={container} role="img" />
}
