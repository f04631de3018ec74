import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deriveKey } from '../secrets.ts'

const cipher = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/** Authenticated encryption of what goes into the store (AES-256-GCM, NIST SP 800-38D). */
export interface Seal {
  /** @param name what the sealed value is and whose; it opens under that name only */
  close(name: string, plain: string): string
  /** `null` for whatever was not sealed under this name by one of our secrets. */
  open(name: string, sealed: string): string | null
  /** Whether one of our secrets is the one that a sealed value names. */
  hasKeyOf(sealed: string): boolean
}

/** @param secrets session secrets: the first seals, all open */
export function createSeal(secrets: readonly string[]): Seal {
  const keys = secrets.map((secret) => ({
    // Names the key in front of what it sealed, so that nobody has to try them all.
    id: deriveKey(secret, 'seal name').subarray(0, 6).toString('base64url'),
    key: deriveKey(secret, 'seal'),
  }))
  const [first] = keys
  if (first === undefined) throw new TypeError('a seal needs a secret')
  const keyOf = (sealed: string) => keys.find(({ id }) => sealed.startsWith(`${id}.`))

  return {
    close(name, plain) {
      const nonce = randomBytes(nonceBytes)
      const encrypt = createCipheriv(cipher, first.key, nonce).setAAD(Buffer.from(name))
      const sealed = Buffer.concat([nonce, encrypt.update(plain, 'utf8'), encrypt.final(), encrypt.getAuthTag()])
      return `${first.id}.${sealed.toString('base64url')}`
    },
    open(name, sealed) {
      const [, text = ''] = sealed.split('.')
      const found = keyOf(sealed)
      const bytes = Buffer.from(text, 'base64url')
      if (found === undefined || bytes.length < nonceBytes + tagBytes) return null
      const decrypt = createDecipheriv(cipher, found.key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      decrypt.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-tagBytes))
      try {
        return decrypt.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decrypt.final('utf8')
      } catch {
        return null // the tag does not match
      }
    },
    hasKeyOf: (sealed) => keyOf(sealed) !== undefined,
  }
}
