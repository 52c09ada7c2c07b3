/**
 * Which texts become statements: what each `unsafe` and `literal` in the source is given, followed to where it comes from.
 */
import { existsSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("../../src", import.meta.url))

const parsed = () => {
  const config = ts.readConfigFile(fileURLToPath(new URL("../../tsconfig.json", import.meta.url)), ts.sys.readFile)
  const { fileNames, options } = ts.parseJsonConfigFileContent(
    config.config,
    ts.sys,
    fileURLToPath(new URL("../..", import.meta.url))
  )
  const compilerOptions = { ...options, noEmit: true, noLib: true, types: [] }
  const host = ts.createCompilerHost(compilerOptions)
  // Names are followed within `src` only, so no package is loaded.
  host.resolveModuleNameLiterals = (literals, containingFile) =>
    literals.map(({ text }) => {
      const path = join(dirname(containingFile), text.replace(/\.js$/, ".ts"))
      const isSource = text.startsWith(".") && existsSync(path)
      return { resolvedModule: isSource ? { resolvedFileName: path, extension: ts.Extension.Ts } : undefined }
    })
  return ts.createProgram({
    rootNames: fileNames.filter((name) => name.startsWith(root)),
    options: compilerOptions,
    host
  })
}

/** What comes in from outside a text: `file: function(parameter)`, for each text that is built from it. */
export const variableTexts = (): ReadonlyArray<string> => {
  const program = parsed()
  const checker = program.getTypeChecker()
  const found = new Set<string>()

  const declarationsOf = (name: ts.Identifier): ReadonlyArray<ts.Declaration> => {
    const shorthand = ts.isShorthandPropertyAssignment(name.parent)
      ? checker.getShorthandAssignmentValueSymbol(name.parent)
      : undefined
    const symbol = shorthand ?? checker.getSymbolAtLocation(name)
    const target =
      symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol
    return target?.declarations ?? []
  }

  const follow = (node: ts.Node, seen: ReadonlySet<ts.Node>): void => {
    if (seen.has(node)) return
    const within = new Set([...seen, node])
    // Of `a.b` only what `a` is; of a name in an object, its value.
    if (ts.isPropertyAccessExpression(node)) return follow(node.expression, within)
    if (ts.isPropertyAssignment(node)) return follow(node.initializer, within)
    if (!ts.isIdentifier(node)) return ts.forEachChild(node, (child) => follow(child, within))
    for (const declaration of declarationsOf(node)) {
      if (!declaration.getSourceFile().fileName.startsWith(root)) continue
      const origin = originOf(declaration)
      if (ts.isParameter(origin)) {
        if (!isOf(origin, within)) found.add(nameOf(origin, node))
      } else if (ts.isVariableDeclaration(origin) && origin.initializer !== undefined && isLocal(origin))
        follow(origin.initializer, within)
    }
  }

  for (const file of program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(root))) {
    const visit = (node: ts.Node): void => {
      if (
        ts.isCallExpression(node) &&
        ts.isPropertyAccessExpression(node.expression) &&
        /^(unsafe|literal)$/.test(node.expression.name.text)
      ) {
        const [text] = node.arguments
        if (text !== undefined) follow(text, new Set())
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
  }
  return [...found].toSorted()
}

/** What a name is bound by: for a part of a pattern, the parameter or variable that the pattern takes apart. */
const originOf = (declaration: ts.Declaration): ts.Declaration => {
  const { parent } = declaration
  return ts.isBindingElement(declaration) && (ts.isObjectBindingPattern(parent) || ts.isArrayBindingPattern(parent))
    ? originOf(parent.parent)
    : declaration
}

/** Whether a variable is inside a function: outside, it is made once, when the module is loaded. */
const isLocal = (node: ts.Node): boolean => ts.findAncestor(node.parent, ts.isFunctionLike) !== undefined

/** Whether a parameter is that of a function inside the text: of a callback that maps over a list, say. */
const isOf = (parameter: ts.ParameterDeclaration, text: ReadonlySet<ts.Node>): boolean => text.has(parameter.parent)

const nameOf = (parameter: ts.ParameterDeclaration, name: ts.Identifier): string => {
  const owner = ts.findAncestor(
    parameter.parent,
    (node) => ts.isVariableDeclaration(node) || ts.isFunctionDeclaration(node) || ts.isPropertyAssignment(node)
  )
  const called =
    owner !== undefined && "name" in owner && ts.isIdentifier(owner.name as ts.Node)
      ? (owner.name as ts.Identifier).text
      : "?"
  return `${relative(root, parameter.getSourceFile().fileName)}: ${called}(${name.text})`
}
