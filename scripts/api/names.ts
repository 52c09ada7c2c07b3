/**
 * Finds the types that public declarations name, and that no entry of the package exports: a caller cannot name them.
 */
import ts from "typescript"

interface Options {
  /** The folder of the sources. Names from other folders and packages are ignored. */
  readonly root: string
  /** The files whose exports are public. */
  readonly entries: ReadonlyArray<string>
  readonly program: ts.Program
}

const deepestType = 10

/**
 * Returns `name (public declaration)` for each such type. Types in the same file that it does not export, and the
 * parents of an interface, are part of the declaration: their own names are not needed, those in them are.
 */
export const unexportedNames = ({ entries, program, root }: Options): ReadonlyArray<string> => {
  const checker = program.getTypeChecker()
  const exported = new Set<ts.Symbol>()
  const found = new Map<string, string>()
  const seenNodes = new Set<ts.Node>()
  const seenTypes = new Set<ts.Type>()

  const resolved = (symbol: ts.Symbol) =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

  const addExports = (module: ts.Symbol) => {
    for (const symbol of checker.getExportsOfModule(module).map(resolved)) {
      if (exported.has(symbol)) continue
      exported.add(symbol)
      if ((symbol.flags & ts.SymbolFlags.ValueModule) !== 0) addExports(symbol)
    }
  }

  const isOwn = (node: ts.Node) => node.getSourceFile().fileName.startsWith(root)

  const visitSymbol = (symbol: ts.Symbol, from: string, isParent = false) => {
    const declarations = (symbol.declarations ?? []).filter((node) => isOwn(node) && !ts.isSourceFile(node))
    const isNamed = declarations.some((node) => {
      const flags = ts.isVariableDeclaration(node)
        ? ts.getCombinedModifierFlags(node)
        : ts.canHaveModifiers(node)
          ? ts.getCombinedModifierFlags(node)
          : ts.ModifierFlags.None
      return (flags & ts.ModifierFlags.Export) !== 0
    })
    if (isNamed && !isParent && !exported.has(symbol)) found.set(symbol.name, from)
    for (const node of declarations) visit(node, symbol.name)
  }

  const visitType = (type: ts.Type, from: string, at: ts.Node, depth = 0): void => {
    if (seenTypes.has(type) || depth > deepestType) return
    seenTypes.add(type)
    const inner = (types: ReadonlyArray<ts.Type>) => {
      for (const other of types) visitType(other, from, at, depth + 1)
    }
    const named = type.aliasSymbol ?? (type.isClassOrInterface() ? type.symbol : undefined)
    if (named !== undefined) visitSymbol(named, from)
    inner(type.aliasTypeArguments ?? [])
    if (type.isUnionOrIntersection()) inner(type.types)
    if (isReference(type)) {
      if (type.target.symbol !== undefined) visitSymbol(type.target.symbol, from)
      inner(checker.getTypeArguments(type))
    } else if (named === undefined && type.symbol !== undefined && isOwnSymbol(type.symbol)) {
      inner(type.getProperties().map((property) => checker.getTypeOfSymbolAtLocation(property, at)))
    }
    for (const signature of isOwnSymbol(type.symbol) ? type.getCallSignatures() : [])
      inner([
        ...signature.getParameters().map((parameter) => checker.getTypeOfSymbolAtLocation(parameter, at)),
        signature.getReturnType()
      ])
  }

  const isOwnSymbol = (symbol: ts.Symbol | undefined) => symbol?.declarations?.some(isOwn) ?? false

  const visit = (node: ts.Node, from: string): void => {
    if (seenNodes.has(node)) return
    seenNodes.add(node)
    if (ts.isBlock(node)) return
    if (ts.isTypeReferenceNode(node)) visitName(node.typeName, from)
    else if (ts.isTypeQueryNode(node) && ts.isQualifiedName(node.exprName)) visitName(node.exprName.left, from)
    else if (ts.isExpressionWithTypeArguments(node) && ts.isIdentifier(node.expression)) {
      const parent = checker.getSymbolAtLocation(node.expression)
      if (parent !== undefined) visitSymbol(resolved(parent), from, true)
    } else if (ts.isVariableDeclaration(node)) {
      if (node.type === undefined) visitType(checker.getTypeAtLocation(node.name), from, node)
      else visit(node.type, from)
      return
    } else if (ts.isPropertyDeclaration(node) && node.type !== undefined) return visit(node.type, from)
    ts.forEachChild(node, (child) => visit(child, from))
  }

  const visitName = (name: ts.EntityName, from: string) => {
    const symbol = checker.getSymbolAtLocation(name)
    if (symbol !== undefined) visitSymbol(resolved(symbol), from)
  }

  for (const entry of entries) {
    const file = program.getSourceFile(entry)
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file)
    if (module !== undefined) addExports(module)
  }
  for (const symbol of exported) visitSymbol(symbol, symbol.name)
  return [...found].map(([name, from]) => `${name} (${from})`).toSorted()
}

const isReference = (type: ts.Type): type is ts.TypeReference =>
  (type.flags & ts.TypeFlags.Object) !== 0 &&
  "objectFlags" in type &&
  typeof type.objectFlags === "number" &&
  (type.objectFlags & ts.ObjectFlags.Reference) !== 0
