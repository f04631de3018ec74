/** A scheme, or a parameter of the one before it, with its value in quotation marks or without. */
const part = /[\s,]*([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/gy

/**
 * The parameters of the Bearer challenge among those of a `WWW-Authenticate` field (RFC 9110, section 11.6.1; RFC 6750,
 * section 3), by lower-case name. `null` when there is none.
 * @param field as it came; several lines are a list
 */
export function readBearerChallenge(field: string | string[] | undefined): ReadonlyMap<string, string> | null {
  if (field === undefined) return null
  let bearer: Map<string, string> | null = null
  let isBearer = false
  for (const [, name = '', quoted, plain] of String(field).matchAll(part)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (value === undefined) {
      isBearer = name.toLowerCase() === 'bearer'
      if (isBearer) bearer = new Map()
    } else if (isBearer) {
      bearer?.set(name.toLowerCase(), value)
    }
  }
  return bearer
}
