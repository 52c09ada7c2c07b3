/**
 * Styles of terminal output (SGR, ECMA-48 8.3.117). Texts become spans with classes, never HTML. Other escape sequences
 * stay in the text, with a visible ESC.
 */
import { visible } from "./text.js"

/** A piece of a line, and its style. `color` and `background` are CSS colours. */
export interface AnsiSpan {
  readonly text: string
  readonly color?: string
  readonly background?: string
  readonly bold?: boolean
  readonly dim?: boolean
  readonly italic?: boolean
  readonly underline?: boolean
}

type Style = Omit<AnsiSpan, "text"> & { readonly inverse?: boolean }

const names = ["gray", "red", "green", "amber", "blue", "violet", "cyan", "text"]

const named = (index: number) => `var(--${names[index] ?? "text"})`

// Texts have enough contrast on these.
const backgrounds = ["gray", "red", "green", "amber", "blue", "violet", "blue", "gray"]

const namedBackground = (index: number) => `var(--${backgrounds[index] ?? "gray"}-soft)`

/** Any other colour, mixed with that of the text for contrast in both themes. */
const mixed = (color: string) => `color-mix(in srgb, ${color} 45%, var(--text))`

const faded = (color: string) => `color-mix(in srgb, ${color} 25%, var(--surface))`

const cube = (value: number) => (value === 0 ? 0 : 55 + value * 40)

/** The colour `n`, 16 to 255, of the colours of a terminal. */
const indexed = (n: number) => {
  if (n >= 232) return `rgb(${8 + (n - 232) * 10} ${8 + (n - 232) * 10} ${8 + (n - 232) * 10})`
  const at = n - 16
  return `rgb(${cube(Math.floor(at / 36))} ${cube(Math.floor(at / 6) % 6)} ${cube(at % 6)})`
}

const channel = (value: number | undefined) => Math.min(255, Math.max(0, value ?? 0))

/** Reads the colour after 38 or 48, and the number of codes that it takes. */
const extended = (
  codes: ReadonlyArray<number>,
  at: number,
  isText: boolean
): readonly [color: string | undefined, used: number] => {
  const adapt = isText ? mixed : faded
  const n = channel(codes[at + 1])
  if (codes[at] === 5 && n < 16) return [isText ? named(n % 8) : namedBackground(n % 8), 2]
  if (codes[at] === 5) return [adapt(indexed(n)), 2]
  if (codes[at] === 2) return [adapt(`rgb(${n} ${channel(codes[at + 2])} ${channel(codes[at + 3])})`), 4]
  return [undefined, 0]
}

const without = (style: Style, ...keys: ReadonlyArray<keyof Style>): Style =>
  Object.fromEntries(Object.entries(style).filter(([key]) => !keys.some((other) => other === key)))

const simple = (style: Style, code: number): Style => {
  if (code === 0) return {}
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 3) return { ...style, italic: true }
  if (code === 4) return { ...style, underline: true }
  if (code === 7) return { ...style, inverse: true }
  if (code === 22) return without(style, "bold", "dim")
  if (code === 23) return without(style, "italic")
  if (code === 24) return without(style, "underline")
  if (code === 27) return without(style, "inverse")
  if (code === 39) return without(style, "color")
  if (code === 49) return without(style, "background")
  if (code >= 30 && code <= 37) return { ...style, color: named(code - 30) }
  if (code >= 90 && code <= 97) return { ...style, color: named(code - 90) }
  if (code >= 40 && code <= 47) return { ...style, background: namedBackground(code - 40) }
  if (code >= 100 && code <= 107) return { ...style, background: namedBackground(code - 100) }
  return style
}

const apply = (style: Style, parameters: string): Style => {
  const codes = parameters.split(/[;:]/).map(Number)
  let next = style
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0
    if (code !== 38 && code !== 48) {
      next = simple(next, code)
      continue
    }
    const [color, used] = extended(codes, at + 1, code === 38)
    if (color !== undefined) next = { ...next, [code === 38 ? "color" : "background"]: color }
    at += used
  }
  return next
}

const spanOf = (text: string, { inverse, ...style }: Style): AnsiSpan =>
  inverse === true
    ? { ...style, text, color: "var(--surface)", background: style.color ?? "var(--text)" }
    : { ...style, text }

const sgr = new RegExp(String.raw`\u001b\[([0-9;:]*)m`, "g")

/** Splits a text at its SGR sequences. */
export const parseAnsi = (text: string): ReadonlyArray<AnsiSpan> => {
  if (!text.includes("\u001b[")) return [{ text: visible(text) }]
  const spans: Array<AnsiSpan> = []
  let style: Style = {}
  let from = 0
  for (const match of text.matchAll(sgr)) {
    if (match.index > from) spans.push(spanOf(visible(text.slice(from, match.index)), style))
    style = apply(style, match[1] ?? "")
    from = match.index + match[0].length
  }
  if (from < text.length) spans.push(spanOf(visible(text.slice(from)), style))
  return spans
}

/** The text without its SGR sequences, as a reader sees and searches it. */
export const plainText = (text: string): string => visible(text.replace(sgr, ""))
