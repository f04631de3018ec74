import type { Options } from '../options.ts'
import { discover } from './discovery.ts'
import { isObject } from './json-object.ts'
import { problemOf } from './provider-fault.ts'
import {
  compareWithProvider,
  type Finding,
  findAddresses,
  findClock,
  findKeys,
  ok,
  type ProviderDocument,
  problem,
} from './provider-findings.ts'
import { createProviderHttp, type ProviderHttp } from './provider-http.ts'

/** Asks the provider what it says of itself, and whether that goes with our configuration. Changes nothing there. */
export async function checkProvider(options: Options): Promise<Finding[]> {
  const http = createProviderHttp(options.timing.connect)
  const read = (url: string) => readDocument(http, url, options.timing.ask)
  const url = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { why, date, document } = await read(url)
  const { document: keySet } = await read(String(document?.['jwks_uri']))
  await http.close()
  if (document === null)
    return [problem(`discovery: ${url} ${why}; is BFF_ISSUER right, and can it be reached from here?`)]
  return [
    await judge(options, document),
    ...compareWithProvider(options, document),
    findKeys(options, document, keySet),
    findClock(date),
    ...findAddresses(options),
  ]
}

/** Whether the server would take this document, by the code that it takes it with. */
async function judge({ issuer, clientId }: Options, document: ProviderDocument): Promise<Finding> {
  // Of the issuer there is a line of its own, which says what it should be.
  const said = { ...document, issuer }
  return discover(issuer, clientId, async () => Response.json(said)).then(
    () => ok('discovery: all that is needed'),
    (error: unknown) => problem(`discovery: ${problemOf(error)}`),
  )
}

interface Read {
  document: ProviderDocument | null
  /** What is wrong, when there is no document. */
  why: string
  date: string | null
}

async function readDocument(http: ProviderHttp, url: string, timeoutMs: number): Promise<Read> {
  const none = (why: string): Read => ({ document: null, why, date: null })
  if (!URL.canParse(url)) return none('is no address')
  try {
    const ask = http.fetchWith({ timeoutMs })
    const response = await ask(url, { method: 'GET', headers: { accept: 'application/json' } })
    if (response.status !== 200) return none(`is answered with status ${response.status}`)
    const body: unknown = await response.json().catch(() => null)
    if (!isObject(body)) return none('is answered with something else than JSON')
    return { document: body, why: '', date: response.headers.get('date') }
  } catch {
    return none('does not answer')
  }
}
