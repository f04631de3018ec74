/// <reference lib="dom" />
import type { UserBody } from '../../src/wire.ts'
import type { Coat } from './coat.ts'
import type { Answer, OrderRow } from './orders-api.ts'

/** Which face the page shows; `nobody` is neither, while it is not known who is there. */
export type Face = 'nobody' | 'signed-out' | 'signed-in'

/** The element with this id, which index.html has. */
export function find<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  // The page and its script are one program: the caller knows what the element is.
  return element as T
}

/** Shows one face. Whatever was shown about a person is gone from the document first. */
export function show(face: Face, message = ''): void {
  if (face !== 'signed-in') {
    for (const id of ['user-name', 'user-email', 'idle-left', 'session-left', 'token-hook']) find(id).textContent = ''
    find('results').replaceChildren()
    showOrders([])
  }
  const focused = document.activeElement
  find('signed-out').hidden = face !== 'signed-out'
  find('signed-in').hidden = face !== 'signed-in'
  find('sign-out').hidden = face !== 'signed-in'
  find('status').textContent = message
  // Whoever works by keyboard goes on where there is something to go on with, not at the top of the page.
  if (face === 'signed-out' && focused?.closest('[hidden]')) find('sign-in').focus()
}

/** Writes who is signed in. */
export function showUser({ claims }: UserBody): void {
  const { sub, name, email } = claims
  find('user-name').textContent = typeof name === 'string' ? name : sub
  find('user-email').textContent = typeof email === 'string' ? email : ''
}

/** Writes everything that counts: session, token, refreshes, and what scripts can read. */
export function showTime(endsAt: number, idleEndsAt: number, coat: Coat): void {
  find('idle-left').textContent = formatSpan(idleEndsAt - Date.now())
  find('session-left').textContent = formatSpan(endsAt - Date.now())
  find('token-hook').textContent = coat.hook() ?? 'not called yet'
  find('refresh-count').textContent = String(coat.refreshes())
  const seconds = coat.secondsLeft()
  find('token-seconds').textContent = seconds === undefined ? '–' : `${seconds} s`
  const bar = find<HTMLProgressElement>('token-bar')
  bar.max = coat.lifeSeconds()
  bar.value = seconds ?? 0
  find('js-cookie').textContent = describe(document.cookie.split(';').map((pair) => pair.split('=')[0]?.trim() ?? ''))
  find('js-local').textContent = describe(Object.keys(localStorage))
  find('js-session').textContent = describe(Object.keys(sessionStorage))
}

/** Adds a line to the log: one call, or many that were made at once. */
export function logAnswers(answers: readonly Answer[], tookMilliseconds: number): void {
  const line = document.createElement('li')
  line.append(`${new Date().toLocaleTimeString('en-GB')}  `)
  for (const [outcome, count] of tally(
    answers.map(({ status, code }) => `${status || 'no answer'}${code ? ` ${code}` : ''}`),
  )) {
    const mark = document.createElement('span')
    mark.className = outcome.startsWith('2') ? 'good' : 'bad'
    mark.textContent = answers.length === 1 ? outcome : `${count} × ${outcome}`
    line.append(mark, '  ')
  }
  const hooks = new Set(answers.flatMap(({ token }) => (token ? [token.fingerprint] : [])))
  if (hooks.size > 0) line.append(`hook ${[...hooks].join(' and ')}  `)
  line.append(`${Math.round(tookMilliseconds)} ms`)
  const log = find('results')
  log.prepend(line)
  while (log.children.length > 50) log.lastElementChild?.remove()
}

/** Fills the table of orders; an empty one is not shown. */
export function showOrders(orders: readonly OrderRow[]): void {
  find('orders-frame').hidden = orders.length === 0
  find<HTMLTableElement>('orders').tBodies[0]?.replaceChildren(
    ...orders.map(({ id, item, status }) => {
      const row = document.createElement('tr')
      for (const text of [id, item, status]) row.insertCell().textContent = text
      return row
    }),
  )
}

function describe(names: readonly string[]): string {
  const present = names.filter(Boolean)
  // Other programs on this machine may use the same host name, and their cookies ignore the port.
  return present.length === 0 ? 'nothing' : `${present.join(', ')} (not ours)`
}

function tally(outcomes: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return counts
}

function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}
