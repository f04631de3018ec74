import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { type ModuleImport, readModule } from './module-syntax.ts'

/** Files that every room may import. */
const leaves = [
  'options.ts',
  'provider-options.ts',
  'route-options.ts',
  'timing.ts',
  'errors.ts',
  'wire.ts',
  'secrets.ts',
  'client-keys.ts',
  'decryption-keys.ts',
  'cookie-header.ts',
  'remember.ts',
  'telemetry/',
  'storage/store.ts',
  'storage/session-index.ts',
]

/**
 * What each room, and each file that lies in none, may import beyond itself and the leaves. A name that ends in a slash is
 * a room; arrows that are not drawn here do not exist.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['bff.ts', 'check.ts', 'index.ts', 'env.ts', 'session/operator-sessions.ts', 'workers.ts'],
  'check.ts': ['relying-party/', 'storage/'],
  'workers.ts': [],
  'index.ts': ['bff.ts'],
  'request-stack.ts': ['servers.ts', 'http/', 'proxy/', 'spa/'],
  'bff.ts': [
    'request-stack.ts',
    'env.ts',
    'admin.ts',
    'admin-sessions.ts',
    'servers.ts',
    ...['endpoints/', 'http/', 'pages/', 'proxy/', 'relying-party/', 'session/', 'spa/', 'storage/', 'tokens/'],
  ],
  'env.ts': [],
  'admin.ts': ['admin-sessions.ts', 'session/'],
  'admin-sessions.ts': ['session/'],
  'servers.ts': ['http/'],
  'endpoints/': ['session/', 'http/', 'pages/'],
  'session/': ['tokens/', 'relying-party/'],
  'tokens/': ['relying-party/'],
  'proxy/': ['tokens/', 'http/'],
  'spa/': ['http/'],
  'http/': ['pages/'],
  'pages/': [],
  'relying-party/': [],
  'storage/': [],
}

/** Rooms and files that see less than all the leaves. */
const fewerLeaves: Readonly<Record<string, readonly string[]>> = {
  'client/': ['wire.ts'],
  'wire.ts': [],
  'errors.ts': [],
  'secrets.ts': [],
  'private-keys.ts': [],
  'client-keys.ts': ['private-keys.ts'],
  'decryption-keys.ts': ['private-keys.ts'],
  'cookie-header.ts': [],
  'remember.ts': [],
  'timing.ts': ['errors.ts'],
  'route-options.ts': ['errors.ts'],
  'spa-sources.ts': [],
  'contradictions.ts': [],
  'provider-options.ts': ['client-keys.ts', 'decryption-keys.ts', 'route-options.ts'],
  'network-options.ts': ['provider-options.ts', 'route-options.ts'],
  'options.ts': [
    'contradictions.ts',
    'errors.ts',
    'network-options.ts',
    'provider-options.ts',
    'route-options.ts',
    'spa-sources.ts',
    'timing.ts',
    'wire.ts',
  ],
  'telemetry/': ['errors.ts', 'options.ts', 'wire.ts'],
}

/** The only places that may import a package. */
const doors: Readonly<Record<string, readonly string[]>> = {
  'openid-client': ['relying-party/'],
  jose: ['relying-party/'],
  'express-session': ['session/'],
  'connect-redis': ['session/'],
  helmet: ['http/'],
  'express-rate-limit': ['http/rate-limit.ts', 'storage/memory-store.ts'],
  'rate-limit-redis': ['storage/'],
  undici: ['proxy/', 'relying-party/provider-http.ts'],
  redis: ['storage/'],
  pino: ['telemetry/'],
  express: ['bff.ts', 'endpoints/', 'spa/', 'proxy/trust-proxy.ts'],
  zod: ['options.ts', 'network-options.ts', 'provider-options.ts', 'route-options.ts', 'spa-sources.ts', 'timing.ts'],
  yaml: ['env.ts'],
}

/** Everything else is plain functions, without `req` and `res`. */
const knowsRequests = [
  'bff.ts',
  'request-stack.ts',
  'admin.ts',
  'admin-sessions.ts',
  'servers.ts',
  'http/',
  'endpoints/',
  'proxy/',
  'spa/',
  'session/session-cookie.ts',
]

/** Where else the types of a package are known. */
const typeDoors: Readonly<Record<string, readonly string[]>> = { express: knowsRequests, pino: ['bff.ts'] }

export interface Sources {
  /** Text by path below `src/`. */
  files: ReadonlyMap<string, string>
  /** Packages of the manifest's `dependencies`. */
  dependencies: ReadonlySet<string>
}

/** One sentence for every import that breaks a rule. */
export function brokenImportRules({ files, dependencies }: Sources): string[] {
  const broken: string[] = []
  const graph = new Map<string, string[]>()
  for (const [file, text] of files) {
    const local: string[] = []
    graph.set(file, local)
    for (const found of readModule(text).imports) {
      const { specifier } = found
      if (specifier === undefined) {
        broken.push(`${file} imports something that is not a literal`)
      } else if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(file), specifier)
        local.push(target)
        if (!files.has(target)) broken.push(`${file} imports ${specifier}, which is not a file of src`)
        else if (!mayImport(file, target)) broken.push(`${file} may not import ${target}`)
      } else {
        broken.push(...brokenPackageRules(file, specifier, found, dependencies))
      }
      if (found.reExport && posix.basename(file) !== 'index.ts')
        broken.push(`${file} re-exports, and is no public door`)
    }
  }
  return [...broken, ...cyclesOf(graph)]
}

function mayImport(file: string, target: string): boolean {
  const room = roomOf(file)
  if (room.endsWith('/') && roomOf(target) === room) return true
  const own = arrows[room] ?? []
  return isIn(target, [...(fewerLeaves[room] ?? leaves), ...own])
}

function brokenPackageRules(
  file: string,
  specifier: string,
  { typeOnly }: ModuleImport,
  dependencies: ReadonlySet<string>,
): string[] {
  const broken: string[] = []
  const module = isBuiltin(specifier) ? specifier : specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (roomOf(file) === 'client/') broken.push(`${file} may not import ${specifier}: it runs in browsers`)
  if (isBuiltin(module)) {
    if (!module.startsWith('node:')) broken.push(`${file} imports ${module} without node:`)
    if (/process$/.test(module)) broken.push(`${file} imports ${module}: the environment is read in env.ts alone`)
  } else {
    if (!dependencies.has(module)) broken.push(`${file} imports ${module}, which is not among the dependencies`)
    const allowed = [...(doors[module] ?? ['']), ...((typeOnly && typeDoors[module]) || [])]
    if (!isIn(file, allowed)) broken.push(`${file} may not import ${module}`)
  }
  const isAboutRequests = /^(node:https?|node:http2|express)$/.test(module)
  if (isAboutRequests && !isIn(file, knowsRequests)) broken.push(`${file} may not know requests (${module})`)
  return broken
}

/** `tokens/`, or the file itself where it lies in no room. */
function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/') + 1) : file
}

function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || ((place === '' || place.endsWith('/')) && file.startsWith(place)))
}

function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`)
    if (path.includes(file) || done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return cycles
}
