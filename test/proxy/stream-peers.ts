import assert from 'node:assert/strict'
import type { World } from '../support/world.ts'

/** An upstream's consent to a handshake. */
export const agreed = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** What a browser is told on a WebSocket whose session has ended, in latin1. */
export const ended = '\x88\x0f\x11\x31session ended'

/** A user, by what their browser sends. */
export async function signIn(at: World) {
  const browser = at.browser()
  await browser.login()
  const own = `Host: localhost\r\nCookie: bff=${browser.cookies.get('bff')?.value}\r\nOrigin: ${at.origin}\r\n`
  const get = `GET /api/x HTTP/1.1\r\n${own}X-CSRF: 1\r\n`
  return {
    get: `${get}\r\n`,
    handshake: `${get}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    logOut: async () => assert.equal((await browser.api('/bff/logout', { method: 'POST' })).status, 200),
  }
}

/** The head of a frame of a message that goes on: it says how long the frame is. */
export function frameHead(bytes: number, isMasked = false): Buffer {
  const mask = isMasked ? 0x80 : 0
  if (bytes < 126) return Buffer.from([0x01, mask + bytes])
  const isLong = bytes > 65_535
  const head = Buffer.alloc(isLong ? 10 : 4)
  head.set([0x01, mask + (isLong ? 127 : 126)])
  head.writeUIntBE(bytes, isLong ? 4 : 2, isLong ? 6 : 2)
  return head
}

/** @param isMasked as no server should send it */
export function frame(bytes: number, isMasked = false): Buffer {
  return Buffer.concat([frameHead(bytes, isMasked), Buffer.alloc(bytes + (isMasked ? 4 : 0), 'abc')])
}
