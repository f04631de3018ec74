import type { Load } from './load.ts'

/** wrk's own program for a load. @param cookieFile a cookie header a line; read only when the load has several */
export function wrkScript({ method, headers, cookies, bodyBytes }: Load, cookieFile: string): string {
  const lines = [
    `wrk.method = ${quote(method)}`,
    ...Object.entries(headers).map(([name, value]) => `wrk.headers[${quote(name)}] = ${quote(value)}`),
    ...(bodyBytes === 0 ? [] : [`wrk.body = string.rep('x', ${bodyBytes})`]),
    ...(cookies === undefined ? [] : [eachInTurn(cookieFile)]),
    report,
  ]
  return `${lines.join('\n')}\n`
}

/** The request is put together once around a mark; what is done for each is to put its cookie in. */
function eachInTurn(cookieFile: string): string {
  return `
local cookies, count, turn, head, tail = {}, 0, 0, '', ''
function init(args)
  for line in io.lines(${quote(cookieFile)}) do count = count + 1; cookies[count] = line end
  wrk.headers['Cookie'] = 'COOKIE_IN_TURN'
  local whole = wrk.format()
  local from, to = string.find(whole, 'COOKIE_IN_TURN', 1, true)
  head, tail = string.sub(whole, 1, from - 1), string.sub(whole, to + 1)
end
function request()
  turn = turn % count + 1
  return head .. cookies[turn] .. tail
end`
}

const report = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%.0f,"failures":%d,"p50Ms":%.3f,"p99Ms":%.3f}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end`

/** A Lua string: every byte that is not plain is written as its number (Lua 5.1 manual, section 2.1). */
function quote(text: string): string {
  const plain = /^[A-Za-z0-9 .,;:!?*+=_/()@%&-]$/
  const written = [...Buffer.from(text)].map((byte) => {
    const character = String.fromCharCode(byte)
    return plain.test(character) ? character : `\\${String(byte).padStart(3, '0')}`
  })
  return `'${written.join('')}'`
}
