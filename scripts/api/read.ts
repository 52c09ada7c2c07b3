/**
 * Reads the methods of all services from the sources: the members of the interface of each `Context.Tag`, as written.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import ts from "typescript"

/** One method, or one effect, of a service. Types are texts of the source in one line. */
export interface Method {
  readonly name: string
  /** The parameters as written. Empty for a member that is an effect itself. */
  readonly parameters: ReadonlyArray<string>
  /** The result without `Effect.Effect` or `Stream.Stream`. */
  readonly result: string
  readonly isStream: boolean
  readonly errors: ReadonlyArray<string>
  readonly requirements: ReadonlyArray<string>
  readonly doc: string
}

/** A service and the folder of `src` that contains it. */
export interface Service {
  readonly name: string
  readonly folder: string
  readonly methods: ReadonlyArray<Method>
}

const oneLine = (text: string): string =>
  text
    .replace(/\/\*\*.*?\*\//gs, "")
    .replace(/([^{\s;,])\s*\n\s*readonly /g, "$1; readonly ")
    .replace(/\s+/g, " ")
    .replace(/^\| /, "")
    .trim()

const docOf = (node: ts.Node): string =>
  ts
    .getJSDocCommentsAndTags(node)
    .map(({ comment }) => (typeof comment === "string" ? comment : (ts.getTextOfJSDocComment(comment) ?? "")))
    .join("\n")

const unionOf = (type: ts.TypeNode | undefined): ReadonlyArray<string> => {
  if (type === undefined || type.kind === ts.SyntaxKind.NeverKeyword) return []
  return ts.isUnionTypeNode(type) ? type.types.flatMap(unionOf) : [oneLine(type.getText())]
}

/** Replaces the names of type parameters by their arguments. */
const substitute = (text: string, bindings: ReadonlyMap<string, string>): string =>
  text.replace(/\b[A-Z]\w*\b/g, (name) => bindings.get(name) ?? name)

const effectName = /^(Effect\.Effect|Stream\.Stream)$/

const methodOf = (member: ts.PropertySignature, bindings: ReadonlyMap<string, string>): Method => {
  const { type } = member
  const isFunction = type !== undefined && ts.isFunctionTypeNode(type)
  const returned = isFunction ? type.type : type
  const isEffect =
    returned !== undefined && ts.isTypeReferenceNode(returned) && effectName.test(returned.typeName.getText())
  const [result, errors, requirements] = isEffect ? (returned.typeArguments ?? []) : [returned]
  const bound = (text: string) => substitute(text, bindings)
  return {
    name: member.name.getText(),
    parameters: isFunction ? type.parameters.map((parameter) => bound(oneLine(parameter.getText()))) : [],
    result: bound(oneLine(result?.getText() ?? "")),
    isStream: isEffect && returned.typeName.getText() === "Stream.Stream",
    errors: unionOf(errors).map(bound),
    requirements: unionOf(requirements).map(bound),
    doc: docOf(member)
  }
}

/** Reads all services below a folder, in the order of their names. */
export const readServices = (root: string): ReadonlyArray<Service> => {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(root, name))
    .map((path) => ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true))
  const interfaces = new Map(
    files.flatMap(({ statements }) =>
      statements.filter(ts.isInterfaceDeclaration).map((node) => [node.name.text, node])
    )
  )

  const methodsOf = (node: ts.InterfaceDeclaration, args: ReadonlyArray<string>): ReadonlyArray<Method> => {
    const bindings = new Map(
      (node.typeParameters ?? []).map(({ name }, index) => [name.text, args[index] ?? name.text] as const)
    )
    const inherited = (node.heritageClauses ?? []).flatMap(({ types }) => types)
    return [
      ...inherited.flatMap(({ expression, typeArguments = [] }) => {
        const parent = interfaces.get(expression.getText())
        const given = typeArguments.map((argument) => substitute(oneLine(argument.getText()), bindings))
        return parent === undefined ? [] : methodsOf(parent, given)
      }),
      ...node.members.filter(ts.isPropertySignature).map((member) => methodOf(member, bindings))
    ]
  }

  return files
    .flatMap((file) =>
      file.statements.filter(ts.isClassDeclaration).flatMap((node) => {
        // `Context.Tag("name")<Self, Contract>()`
        const base = node.heritageClauses?.[0]?.types[0]?.expression
        const isTag = base !== undefined && ts.isCallExpression(base) && base.getText().startsWith("Context.Tag(")
        const declared = isTag ? interfaces.get(base.typeArguments?.[1]?.getText() ?? "") : undefined
        return node.name === undefined || declared === undefined
          ? []
          : [
              {
                name: node.name.text,
                folder: relative(root, file.fileName).split(sep)[0] ?? "",
                methods: methodsOf(declared, [])
              }
            ]
      })
    )
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
