import { createHmac } from 'node:crypto'
import { sameText } from './reference.ts'

/** The session id that a cookie names, as the browser sent it; `null` unless one of the keys signed it. */
export function verifiedId(cookie: string, keys: readonly string[]): string | null {
  const value = decode(cookie)
  const dot = value.lastIndexOf('.')
  if (!value.startsWith('s:') || dot < 0) return null
  const id = value.slice(2, dot)
  const signature = value.slice(dot + 1)
  return keys.some((key) => sameText(signatureOf(id, key), signature)) ? id : null
}

/** The format of express-session, before percent-encoding: `s:<id>.<HMAC-SHA-256 of id, base64 without padding>`. */
export function signedCookie(id: string, key: string): string {
  return `s:${id}.${signatureOf(id, key)}`
}

function signatureOf(id: string, key: string): string {
  return createHmac('sha256', key).update(id).digest('base64').replace(/=+$/, '')
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
