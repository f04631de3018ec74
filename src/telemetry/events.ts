import type { Logger } from 'pino'
import { BffError } from '../errors.ts'
import type { Counters } from './counters.ts'

/** Everything this program says, and how loudly. Whatever is not here is not said. */
const events = {
  listening: 'info',
  stopped: 'info',
  worker_crashed: 'error',
  memory_store: 'warn',
  discovery_failed: 'warn',
  discovered: 'info',
  keys_failed: 'warn',
  store_lost: 'warn',
  store_ready: 'info',
  channel_failed: 'warn',
  login_started: 'debug',
  login_succeeded: 'info',
  login_failed: 'warn',
  no_refresh_token: 'warn',
  userinfo_failed: 'warn',
  id_token_refused: 'warn',
  claims_failed: 'warn',
  refresh: 'info',
  refresh_failed: 'warn',
  token_issued: 'info',
  token_not_granted: 'warn',
  token_failed: 'warn',
  session_ended: 'info',
  session_unreadable: 'warn',
  session_limit_missed: 'warn',
  session_end_missed: 'warn',
  replicas_late: 'warn',
  rotation_lost: 'error',
  subject_changed: 'error',
  logout_token_refused: 'warn',
  revoked: 'info',
  revocation_failed: 'warn',
  hostile_cookie: 'warn',
  rate_limit_reached: 'warn',
  rate_limit_failed: 'warn',
  request_failed: 'warn',
  request_broke: 'error',
  upstream_broke_off: 'warn',
  upgrade_not_attached: 'warn',
  body_already_read: 'error',
} as const satisfies Record<string, 'debug' | 'info' | 'warn' | 'error'>

export type EventName = keyof typeof events

/** Facts about an event. No token, code, cookie or secret may be among them: sessions are named by `ref`. */
export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>

export type Say = (event: EventName, facts?: Facts, error?: unknown) => void

/** @param logger where events go, as structured lines with `event` as message */
export function createSay(logger: Logger, counters: Counters): Say {
  return (event, facts, error) => {
    counters.count(event, facts)
    logger[events[event]]({ ...facts, ...(error === undefined ? {} : { error: describe(error) }) }, event)
  }
}

/**
 * An error by what cannot hold a secret: class, code, status and where it happened. Messages of libraries are left
 * out, since providers and upstreams may write into them.
 */
function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { name: typeof error }
  const { code, status } = error as Error & { code?: unknown; status?: unknown } // read only if of the right type
  return {
    name: error.name,
    ...(error instanceof BffError ? { message: error.message } : {}),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof status === 'number' ? { status } : {}),
    ...(depth < 2 && !(error instanceof BffError) ? { stack: frames(error) } : {}),
    ...(error.cause !== undefined && depth < 4 ? { cause: describe(error.cause, depth + 1) } : {}),
  }
}

function frames(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 8)
    .map((line) => line.trim())
}
