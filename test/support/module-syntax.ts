export interface ModuleImport {
  /** Undefined where it is not a literal. */
  specifier: string | undefined
  /** `import type`, gone at run time. */
  typeOnly: boolean
  /** `export ... from`. */
  reExport: boolean
}

export interface ModuleSyntax {
  imports: ModuleImport[]
  /** The code without comments, the text of each literal replaced by its number: `"3"`. */
  code: string
  literals: string[]
}

/** What a TypeScript module imports. Throws on text that it cannot tell code from literals in. */
export function readModule(text: string): ModuleSyntax {
  const { code, literals } = separateLiterals(text)
  const imports = patterns.flatMap(({ pattern, reExport }) =>
    [...code.matchAll(pattern)].map(({ groups = {} }) => ({
      specifier: groups['literal'] === undefined ? undefined : literals[Number(groups['literal'])],
      typeOnly: groups['type'] !== undefined,
      reExport,
    })),
  )
  return { imports, code, literals }
}

const patterns = [
  { pattern: /\bimport\s+(?<type>type\s+(?!from\b))?[^"();=]*?\bfrom\s*"(?<literal>\d+)"/g, reExport: false },
  { pattern: /\bimport\s*"(?<literal>\d+)"/g, reExport: false },
  { pattern: /\b(?:import|require)\s*\(\s*(?:"(?<literal>\d+)"\s*[,)])?/g, reExport: false },
  { pattern: /\bexport\s+(?<type>type\s+)?(?:\*[^"();]*|\{[^}]*\})\s*from\s*"(?<literal>\d+)"/g, reExport: true },
]

/** After these a slash begins a regular expression, after any other word or a closing bracket it divides. */
const beforeExpression = /(?:^|[^\w$)\]}"]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))$/

const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y
const quoted = /'((?:[^'\\\n]|\\[\s\S])*)'|"((?:[^"\\\n]|\\[\s\S])*)"/y
const regularExpression = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
/** The text of a template up to its end or to the next expression in it. */
const template = /((?:[^`\\$]|\\[\s\S]|\$(?!\{))*)(`|\$\{)/y

function separateLiterals(text: string): { code: string; literals: string[] } {
  const literals: string[] = []
  let code = ''
  let at = 0
  /** For each template whose expression we are in: how many braces were open before it. */
  const templates: number[] = []
  let braces = 0

  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) return undefined
    at = pattern.lastIndex
    return match
  }
  const literal = (value: string): void => {
    code += `"${literals.push(value) - 1}"`
  }
  const templateText = (): void => {
    const match = take(template)
    if (match === undefined) throw new Error(`a template without end in: ${text.slice(at, at + 60)}`)
    literal(match[1] ?? '')
    if (match[2] === '`') return
    templates.push(braces)
    braces += 1
    code += '+('
  }

  while (at < text.length) {
    const character = text.charAt(at)
    if (take(comment)) {
      code += ' '
    } else if (character === "'" || character === '"') {
      const match = take(quoted)
      if (match === undefined) throw new Error(`a string without end in: ${text.slice(at, at + 60)}`)
      literal(match[1] ?? match[2] ?? '')
    } else if (character === '`') {
      at += 1
      templateText()
    } else if (character === '}' && templates.at(-1) === braces - 1) {
      at += 1
      braces -= 1
      templates.pop()
      code += ')+'
      templateText()
    } else if (character === '/' && beforeExpression.test(code.trimEnd())) {
      const match = take(regularExpression)
      if (match === undefined) throw new Error(`a regular expression without end in: ${text.slice(at, at + 60)}`)
      literal(match[0])
    } else {
      if (character === '{') braces += 1
      if (character === '}') braces -= 1
      code += character
      at += 1
    }
  }
  return { code, literals }
}
