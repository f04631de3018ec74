import { createClient, defineScript, ErrorReply } from 'redis'
import { BffError } from '../errors.ts'
import type { Say } from '../telemetry/events.ts'
import type { Timing } from '../timing.ts'
import { createDeadlines } from './deadlines.ts'
import { type ScriptName, scripts } from './scripts.ts'

/** A reply of one of our scripts: a status, then strings, integers and nulls. */
export type ScriptReply = readonly (string | number | null)[] | string | null

/**
 * One multiplexed connection. Commands given while Redis is away fail at once, those that outlast the deadline fail
 * then; both as BffError `store_unreachable`. A failed command may still have been, or may still be, carried out.
 */
export function createConnection(url: string, timing: Timing, say: Say) {
  const deadAfterMs = 6 * timing.store
  const client = createClient({
    url,
    scripts: defined,
    disableOfflineQueue: true,
    // node-redis' own limit makes an abort signal for each command, and does not cover a command already written.
    commandOptions: { timeout: 0 },
    // Keeps a dead peer from holding the connection: without an answer to the ping the socket is given up.
    pingInterval: 2 * timing.store,
    socket: {
      connectTimeout: timing.connect,
      socketTimeout: deadAfterMs,
      reconnectStrategy: (retries) => Math.min(timing.reconnect, 50 * (retries + 1)),
    },
  })
  const deadlines = createDeadlines(timing.store, () => new Error('no answer in time'), failed)

  let down = false
  let readyAt = 0
  function lost(error: unknown) {
    if (!down) say('store_lost', { reason: reasonOf(error) }, error)
    down = true
  }
  client.on('error', lost)
  client.on('ready', () => {
    down = false
    readyAt = performance.now()
    say('store_ready')
  })
  // Resolves only once connected, however long that takes; rejects when closed before.
  const connect = () => void client.connect().catch(() => undefined)
  connect()

  function failed(cause: unknown): BffError {
    // A primary that a failover has made a replica keeps its clients, although its address may lead to the new one by
    // now. Where a new connection leads to a replica too, reads go on by it.
    const isOld = client.isReady && performance.now() - readyAt > deadAfterMs
    if (isOld && reasonOf(cause) === 'READONLY') {
      lost(cause)
      client.destroy()
      connect()
    }
    return unreachable(cause)
  }

  return {
    client,
    /** Waits for a command, within the deadline. */
    command: deadlines.within,
    run(script: ScriptName, keys: string[], args: readonly (string | number)[]): Promise<ScriptReply> {
      return this.command(client[script](keys, args.map(String)))
    },
  }
}

export type Connection = ReturnType<typeof createConnection>

function unreachable(cause: unknown): BffError {
  return new BffError('store_unreachable', { cause, retryAfterSeconds: 1 })
}

/**
 * For reads: `null` where a key holds another type than ours has, which is none of our records; the failure goes on
 * otherwise.
 */
export function nullIfWrongType(failure: unknown): null {
  if (reasonOf(errorReply(failure)) === 'WRONGTYPE') return null
  throw failure
}

/** What Redis itself answered to a command that failed; `null` when it did not answer. */
export function errorReply(failure: unknown): ErrorReply | null {
  return failure instanceof BffError && failure.cause instanceof ErrorReply ? failure.cause : null
}

/** The code alone, such as `WRONGPASS` or `ECONNREFUSED`: what else is said may hold what was sent. */
export function reasonOf(error: unknown): string | undefined {
  // The first word of an error is its code (RESP, "Simple errors").
  if (error instanceof ErrorReply) return error.message.split(' ', 1)[0]
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function define(name: ScriptName) {
  return defineScript({
    SCRIPT: scripts[name],
    parseCommand(parser, keys: string[], args: string[]) {
      parser.pushKeysLength(keys)
      parser.push(...args)
    },
    transformReply: undefined as unknown as () => ScriptReply, // no transformation: what Redis sends is the type
  })
}

const defined = {
  begin: define('begin'),
  remaining: define('remaining'),
  acquire: define('acquire'),
  mark: define('mark'),
  replace: define('replace'),
  writeSession: define('writeSession'),
  rewriteSession: define('rewriteSession'),
  rewriteSet: define('rewriteSet'),
  release: define('release'),
  end: define('end'),
  takeLogin: define('takeLogin'),
  enter: define('enter'),
  loggedOut: define('loggedOut'),
  putLogoutToken: define('putLogoutToken'),
}
