/**
 * Diagrams in the notation of Mermaid. The drawing is shown as an image, so that nothing in it can run or be clicked.
 * Mermaid writes its styles into the drawing and into a hidden element while it measures texts, which is why the content
 * security policy allows inline styles.
 */
import mermaid from "mermaid"
import { useEffect, useState } from "react"
import { colour, useIsDark } from "../lib/theme.js"
import { Failure, SkeletonBlock } from "./basics.js"

let drawings = 0

const draw = async (text: string, isDark: boolean): Promise<string> => {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    htmlLabels: false,
    maxTextSize: 500_000,
    fontFamily: "Arial, sans-serif",
    theme: "base",
    themeVariables: {
      darkMode: isDark,
      background: colour("--surface"),
      primaryColor: colour("--sunken"),
      primaryBorderColor: colour("--border-strong"),
      primaryTextColor: colour("--text"),
      lineColor: colour("--faint"),
      textColor: colour("--text"),
      rowOdd: colour("--surface"),
      rowEven: colour("--sunken"),
      attributeBackgroundColorOdd: colour("--surface"),
      attributeBackgroundColorEven: colour("--sunken"),
      edgeLabelBackground: colour("--surface"),
      fontSize: "13px"
    }
  })
  drawings += 1
  const { svg } = await mermaid.render(`diagram-${drawings}`, text)
  return svg
}

/** The natural size of a drawing, which an image without a size would not have. */
const sizeOf = (svg: string) => {
  const [, , width = "800", height = "600"] = /viewBox="([^"]+)"/.exec(svg)?.[1]?.split(/\s+/) ?? []
  return { width: Math.ceil(Number(width)), height: Math.ceil(Number(height)) }
}

interface Drawing {
  readonly url: string
  readonly width: number
  readonly height: number
}

/** A diagram. `zoom` is 1 for its natural size. */
export const Diagram = ({
  label,
  text,
  zoom
}: {
  readonly label: string
  readonly text: string
  readonly zoom: number
}) => {
  const isDark = useIsDark()
  const [drawing, setDrawing] = useState<Drawing>()
  const [error, setError] = useState<Error>()
  useEffect(() => {
    let isCurrent = true
    const show = (svg: string) => {
      if (!isCurrent) return
      const size = sizeOf(svg)
      const sized = svg
        .replace(/width="100%"/, `width="${size.width}" height="${size.height}"`)
        .replaceAll('fill="white"', `fill="${colour("--surface")}"`)
      setError(undefined)
      setDrawing({ url: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(sized)}`, ...size })
    }
    draw(text, isDark)
      .then(show)
      .catch((reason: unknown) => {
        if (isCurrent) setError(reason instanceof Error ? reason : new Error("the diagram cannot be drawn"))
      })
    return () => {
      isCurrent = false
    }
  }, [text, isDark])
  if (error !== undefined) return <Failure error={error} />
  return (
    <div aria-label={label} className="diagram" role="region" tabIndex={0}>
      {drawing === undefined ? (
        <SkeletonBlock height={380} />
      ) : (
        <img alt={label} height={drawing.height * zoom} src={drawing.url} width={drawing.width * zoom} />
      )}
    </div>
  )
}
