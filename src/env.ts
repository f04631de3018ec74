import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import { ConfigurationError } from './errors.ts'
import { type BffOptions, optionDocs, parseOptions } from './options.ts'

/** How the text of a variable becomes the value of its option; text itself where not named here. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  port: number,
  adminPort: number,
  workers: number,
  maxSessionsPerUser: number,
  redisWaitReplicas: number,
  authorizationParams: JSON.parse,
  routes: JSON.parse,
  spaSources: JSON.parse,
  timing: JSON.parse,
  trustProxy: (text) =>
    text === 'true' || text === 'false' ? text === 'true' : /^\d+$/.test(text) ? Number(text) : text,
  remember: boolean,
  crossSiteLogin: boolean,
  loginsPerMinute: number,
  refreshBeforeSeconds: number,
  defaultTokenSeconds: number,
  idleTimeoutSeconds: number,
  absoluteTimeoutSeconds: number,
}

/** What is said of a text that cannot be read. */
const complaints = new Map<unknown, string>([
  [number, 'is not a number'],
  [boolean, 'is neither true nor false'],
])

/** Options that may be kept in a file of their own, named by `<variable>_FILE`. */
export const secretOptions: ReadonlySet<string> = new Set([
  'adminSecret',
  'clientSecret',
  'clientKeys',
  'decryptionKeys',
  'sessionSecret',
  'redisUrl',
])

/** `BFF_PUBLIC_URL` for `publicUrl`. */
export function variableOf(option: string): string {
  return `BFF_${option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** Whether `NODE_ENV` says production. */
export function inProduction(): boolean {
  return process.env['NODE_ENV'] === 'production'
}

/**
 * Options from the config file (`file`, else `BFF_CONFIG`), overridden by environment variables.
 * @throws ConfigurationError naming every problem at once: what cannot be read, and what the options themselves say
 */
export function readConfiguration(file: string | undefined): BffOptions {
  const environment = process.env
  const found: string[] = []
  /** Options of which enough has been said. */
  const unreadable = new Set<string>()
  const path = file ?? environment['BFF_CONFIG']
  const options = path === undefined ? {} : readConfigFile(path, found)
  const asInFile = new Set(Object.keys(options))
  const known = new Set(['BFF_CONFIG'])
  for (const { name } of optionDocs) {
    const variable = variableOf(name)
    known.add(variable)
    if (secretOptions.has(name)) known.add(`${variable}_FILE`)
    const text = secretOptions.has(name) ? secretText(variable, environment, found) : environment[variable]
    if (text === null) unreadable.add(name)
    if (text === null || text === undefined || text === '') continue
    asInFile.delete(name)
    try {
      options[name] = (readers[name] ?? String)(text)
    } catch {
      // The value is not repeated: it may hold a secret.
      found.push(`${variable}: ${complaints.get(readers[name]) ?? 'is not valid JSON'}`)
      unreadable.add(name)
    }
  }
  for (const name of Object.keys(environment)) {
    if (name.startsWith('BFF_') && !known.has(name)) found.push(`${name}: unknown variable`)
  }
  for (const problem of problemsOf(options)) {
    const [option = ''] = problem.split(/[.:]/, 1)
    if (unreadable.has(option) && problem.startsWith(`${option}: required`)) continue
    // By the name that it was given, or can be given.
    const isVariable = known.has(variableOf(option)) && !asInFile.has(option)
    found.push(isVariable ? variableOf(option) + problem.slice(option.length) : problem)
  }
  if (found.length > 0) throw new ConfigurationError(found)
  return options as BffOptions // parseOptions has just accepted it
}

function problemsOf(options: object): readonly string[] {
  try {
    parseOptions(options, { production: inProduction() })
    return []
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
}

/** The lines of `--help` about configuration. */
export function variablesHelp(): string {
  const rows = optionDocs.map(({ name, sentence, required, default: fallback }) => {
    const file = secretOptions.has(name) ? '[_FILE]' : ''
    return [variableOf(name) + file, sentence, required ? 'required' : describeDefault(fallback)] as const
  })
  rows.push(['BFF_CONFIG', 'path of a YAML or JSON file with the same options in camelCase', ''])
  const width = Math.max(...rows.map(([variable]) => variable.length))
  return rows
    .map(([variable, sentence, note]) => `  ${variable.padEnd(width)}  ${sentence}${note ? ` (${note})` : ''}`)
    .join('\n')
}

function describeDefault(value: unknown): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'object' ? '' : String(value)
}

function readConfigFile(path: string, found: string[]): Record<string, unknown> {
  try {
    const content: unknown = parseYaml(readFileSync(path, 'utf8'))
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content }
    found.push(`${path}: must hold a mapping of options`)
  } catch (error) {
    const missing = error instanceof Error && 'code' in error
    found.push(`${path}: ${missing ? 'cannot be read' : 'is not valid YAML or JSON'}`)
  }
  return {}
}

/** `null` where a file is named and nothing can be read from it. */
function secretText(variable: string, environment: NodeJS.ProcessEnv, found: string[]): string | null | undefined {
  const path = environment[`${variable}_FILE`]
  if (path === undefined) return environment[variable]
  if (environment[variable] !== undefined) found.push(`${variable}: set together with ${variable}_FILE`)
  const text = textOfFile(path)
  if (text === null) found.push(`${variable}_FILE: ${path} cannot be read`)
  // Not the same as nothing said: whoever names a file means what should be in it.
  if (text === '') found.push(`${variable}_FILE: ${path} is empty`)
  return text || null
}

function textOfFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

function boolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new TypeError('neither true nor false')
  return text === 'true'
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new TypeError('not a number')
  return value
}
