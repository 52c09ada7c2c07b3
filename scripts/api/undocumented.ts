/**
 * Finds the exported names of the package that have no docstring.
 */
import { relative } from "node:path"
import ts from "typescript"

interface Options {
  /** The folder of the sources. Names from other folders and packages are ignored. */
  readonly root: string
  /** The files whose exports are public. */
  readonly entries: ReadonlyArray<string>
  readonly program: ts.Program
}

/** Returns `file: name` for each such name, also for those in exported namespaces. */
export const undocumentedNames = ({ entries, program, root }: Options): ReadonlyArray<string> => {
  const checker = program.getTypeChecker()
  const found = new Set<string>()
  const seen = new Set<ts.Symbol>()

  const resolved = (symbol: ts.Symbol) =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

  const visit = (module: ts.Symbol) => {
    for (const symbol of checker.getExportsOfModule(module).map(resolved)) {
      if (seen.has(symbol)) continue
      seen.add(symbol)
      const own = (symbol.declarations ?? []).find((node) => node.getSourceFile().fileName.startsWith(root))
      if (own === undefined) continue
      // The header of a module documents its namespace.
      if (ts.isSourceFile(own)) visit(symbol)
      else if (symbol.getDocumentationComment(checker).length === 0)
        found.add(`${relative(root, own.getSourceFile().fileName)}: ${symbol.name}`)
    }
  }

  for (const entry of entries) {
    const file = program.getSourceFile(entry)
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file)
    if (module !== undefined) visit(module)
  }
  return [...found].toSorted()
}
