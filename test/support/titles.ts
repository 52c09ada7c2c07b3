/**
 * The titles of tests in source files.
 */
import ts from "typescript"

export interface Title {
  readonly text: string
  /** The offset of the title in the source. */
  readonly index: number
  readonly isTest: boolean
}

/** The titles in a source: the first arguments of calls of `describe`, `it`, `it.effect`, `it.effect.each(...)` and the like. */
export const titlesIn = (source: string): ReadonlyArray<Title> => {
  const titles: Array<Title> = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [title] = node.arguments
      const name = calledName(node.expression)
      if (title !== undefined && isText(title) && (name === "it" || name === "describe"))
        titles.push({ text: textOf(title), index: title.getStart(), isTest: name === "it" })
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest, true))
  return titles
}

const isText = (node: ts.Node): node is ts.StringLiteralLike | ts.TemplateExpression =>
  ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)

const textOf = (node: ts.StringLiteralLike | ts.TemplateExpression): string =>
  ts.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("…")
    : node.text

/** The name at the start of a chain of calls and members. */
const calledName = (node: ts.Expression): string | undefined =>
  ts.isIdentifier(node)
    ? node.text
    : ts.isCallExpression(node) || ts.isPropertyAccessExpression(node)
      ? calledName(node.expression)
      : undefined
