import { hkdfSync, randomBytes } from 'node:crypto'

/** What a key is for. Each use has a key of its own, so that none can be played against another. */
export type KeyUse = 'session cookie' | 'seal' | 'seal name' | 'logout sid' | 'session name' | 'rate limit'

/** 256 bits derived from a session secret (HKDF-SHA-256, RFC 5869). */
export function deriveKey(secret: string, use: KeyUse): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `coatcheck ${use}`, 32))
}

/** A new session secret: 384 random bits, without a character that a shell, a YAML file or our list would mind. */
export function generateSecret(): string {
  return randomBytes(48).toString('base64url')
}
