import { setTimeout as pause } from 'node:timers/promises'
import { refOf } from '../../src/session/reference.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import type { Random } from '../support/random.ts'
import { now } from './clock.ts'
import type { Call, Departure } from './history.ts'
import type { Stage } from './stage.ts'

/** Somebody who works with the application as long as the storm lasts, and logs in again whenever it is necessary. */
export interface User {
  logIn(): Promise<void>
  live(until: AbortSignal): Promise<void>
  /** Calls until it is known whether the session has survived. */
  settle(): Promise<void>
  /** The session's last call. */
  lastCall(): Promise<void>
}

interface Session {
  ref: string
  cookie: string
  browser: Browser
}

const loginLimitMs = 8_000
const callLimitMs = 15_000
/** So that not everybody comes at once. */
const spreadMs = 1_500
const settleLimitMs = 15_000

export function createUser(name: string, stage: Stage, random: Random): User {
  const { history, origin, nodes, front } = stage
  const origins = nodes.map((node) => node.origin)
  let session: Session | null = null

  async function logIn(): Promise<void> {
    const replaced = session
    const browser = replaced?.browser ?? createBrowser(origin, origins)
    const up = nodes.filter((node) => node.isUp)
    if (up.length === 0) return
    front.forwardTo({ host: '127.0.0.1', port: random.pick(up).port })
    const began = now()
    const departure: Departure | null = replaced && { ref: replaced.ref, how: 'replaced', began, acknowledged: null }
    if (departure !== null) history.departures.push(departure)
    const finished = await within(loginLimitMs, browser.login(name)).catch(() => null)
    const cookie = browser.cookies.get('bff')?.value
    // One that takes too long is left to itself, and its browser with it.
    session = null
    if (cookie === undefined || (finished === null && replaced !== null)) return
    const id = decodeURIComponent(cookie).slice(2)
    session = { ref: refOf(id.slice(0, id.lastIndexOf('.'))), cookie: `bff=${cookie}`, browser }
    if (session.ref === replaced?.ref) return
    history.logins.push({ user: name, ref: session.ref, began, ended: now() })
    const callback = browser.visits.findLast(({ url }) => url.includes('/bff/callback'))
    if (replaced === null || departure === null || callback?.status !== 302) return
    departure.acknowledged = now()
    void comeBack(replaced)
  }

  async function logOut(left: Session): Promise<void> {
    const node = pickNode()
    const departure: Departure = { ref: left.ref, how: 'logout', began: now(), acknowledged: null }
    history.departures.push(departure)
    const signal = AbortSignal.timeout(callLimitMs)
    const answer = left.browser.api(`${node.origin}/bff/logout`, { method: 'POST', signal })
    const status = await answer.then(statusOf, () => null)
    if (status !== 200) return
    departure.acknowledged = now()
    session = null
    await comeBack(left)
  }

  /** Somebody kept the cookie. */
  async function comeBack(left: Session): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await call(left, { afterLeaving: true })
      await pause(random.int(0, 400))
    }
  }

  async function call(on: Session, how: { afterLeaving?: boolean; last?: boolean; abortAfterMs?: number } = {}) {
    const node = pickNode()
    const { afterLeaving = false, last = false, abortAfterMs = callLimitMs } = how
    const made: Call = {
      id: history.calls.length + 1,
      ref: on.ref,
      node: node.index,
      began: now(),
      ended: null,
      status: null,
      code: null,
      aborted: how.abortAfterMs !== undefined,
      afterLeaving,
      last,
    }
    history.calls.push(made)
    const headers = { cookie: on.cookie }
    const signal = AbortSignal.timeout(abortAfterMs)
    try {
      const response = await on.browser.api(`${node.origin}/api/x?call=${made.id}`, { headers, signal })
      const body = await response.json()
      made.status = response.status
      made.code = typeof body.code === 'string' ? body.code : null
      made.aborted = false
    } catch (error) {
      // Our own limit is the only other reason for a time-out: then there was no answer.
      if (error instanceof Error && error.name === 'TimeoutError' && !made.aborted) return made
    }
    made.ended = now()
    if (made.status === 401 && session === on) session = null
    return made
  }

  /** A balancer sends nothing to a node that it knows is down. */
  function pickNode() {
    const up = nodes.filter((node) => node.isUp)
    return random.pick(up.length > 0 ? up : nodes)
  }

  async function work(on: Session): Promise<void> {
    const burst = Array.from({ length: random.int(1, 3) }, () => call(on))
    if (random.chance(0.08)) burst.push(call(on, { abortAfterMs: random.int(0, 120) }))
    if (random.chance(0.015)) await logOut(on)
    await Promise.all(burst)
  }

  return {
    logIn,
    async live(until) {
      while (!until.aborted) {
        if (session === null || random.chance(0.01)) await logIn()
        else await work(session)
        await pause(random.int(300, 1500))
      }
    },
    async settle() {
      await pause(random.int(0, spreadMs))
      const limit = now() + settleLimitMs
      while (session !== null && now() < limit) {
        const { status } = await call(session)
        if (status === 200) return
        await pause(250)
      }
    },
    async lastCall() {
      await pause(random.int(0, spreadMs))
      for (let attempt = 1; attempt <= 3 && session !== null; attempt++) {
        const { status } = await call(session, { last: true })
        if (status !== 503) return
        await pause(1_000)
      }
    },
  }
}

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel()
  return response.status
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('it takes too long')), ms)
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer))
}
