import { hkdfSync } from 'node:crypto'

/** What a key is for. Each use has a key of its own, so that none can be played against another. */
export type KeyUse = 'session cookie' | 'seal' | 'seal name' | 'logout sid' | 'session name' | 'rate limit'

/** 256 bits derived from a session secret (HKDF-SHA-256, RFC 5869). */
export function deriveKey(secret: string, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `coatcheck ${use}`, 32))
}
