import type { IncomingMessage } from 'node:http'
import { BffError } from '../errors.ts'

/**
 * A login begins where its user sees it: in a window, not in a frame, nor behind a page's back. Browsers say what they
 * ask for; `document` is a whole window's navigation and comes in no other mode (Fetch Metadata, sections 2.1 and 2.2).
 * @param crossSite whether another site may send a window here; if not, whoever does not say where they come from may neither
 * @throws BffError `anti_forgery`
 */
export function demandNavigation(request: IncomingMessage, crossSite: boolean): void {
  demandFollowed(request)
  const { headers } = request
  const destination = headers['sec-fetch-dest']
  if (destination !== undefined && destination !== 'document') throw new BffError('anti_forgery')
  // `none` is the user's own doing: the address bar, a bookmark.
  const site = headers['sec-fetch-site']
  if (!crossSite && site !== 'same-origin' && site !== 'none') throw new BffError('anti_forgery')
}

/**
 * The same for where a login ends, which our own scripts may ask as well, to be told that this is no way.
 * @throws BffError `anti_forgery`
 */
export function demandNavigationFromElsewhere(request: IncomingMessage): void {
  if (request.headers['sec-fetch-site'] !== 'same-origin') demandNavigation(request, true)
}

/**
 * A link that changes something has to be followed by its user: browsers fetch where links lead ahead of that, as a page or
 * a proxy in front tells them to, and say so (Fetch Standard, `Sec-Purpose`).
 * @throws BffError `anti_forgery`; the browser asks again when its user does follow
 */
export function demandFollowed({ headers }: IncomingMessage): void {
  if (headers['sec-purpose']?.includes('prefetch')) throw new BffError('anti_forgery')
}
