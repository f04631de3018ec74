import { createHash } from 'node:crypto'
import type { BffError, ProblemName } from '../errors.ts'

const style = `
:root { color-scheme: light dark; --ink: #1d2129; --paper: #f6f3ee; --card: #fff; --link: #8a3324 }
@media (prefers-color-scheme: dark) { :root { --ink: #eceae6; --paper: #16181d; --card: #22252c; --link: #f0a58f } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, sans-serif }
main { max-width: 30rem; margin: 1rem; padding: 2rem 2.25rem; background: var(--card); border-radius: .75rem;
  border-top: .375rem dashed var(--paper) }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25 }
a { color: var(--link) }
a:focus-visible { outline: .1875rem solid; outline-offset: .1875rem }
dl { margin: 1.5rem 0 0; font-size: .875rem; display: grid; grid-template-columns: auto 1fr; gap: 0 .75rem }
dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere }
`

/** For the content security policy of answers that may be this page. */
export const pageStyleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

const advice: Partial<Record<ProblemName, string>> = {
  login_used: 'You are taken on to where you were going.',
  login_failed: 'Logins expire after a while and work only once. Starting again usually helps.',
  cookies_not_kept: `You have logged in, but the cookie that says so did not come back. Please allow cookies for this
site, and open it by its own address, which is below. If you run this site: browsers must reach it by exactly this
address, and what stands in between must pass on every <code>Set-Cookie</code> as it is.`,
  anti_forgery: 'A page led here in a way that is not allowed, or is out of date. Starting again from here helps.',
  too_many_requests: 'Please try again in a minute.',
  provider_unreachable: 'Nothing is lost. Please try again in a few moments.',
  store_unreachable: 'Nothing is lost. Please try again in a few moments.',
}

/** Addresses of ours that a page leads to, and where our site is. None of them comes from a request. */
export interface PageAddresses {
  publicUrl: string
  /** Where to begin again: with a login or, after a logout, in the application, whose link names the session that there is now. */
  startUrl: string
  /** Where a used login goes on. */
  usedLoginUrl: string
}

/**
 * The page a person sees when a login or a logout cannot go on: what, a stable code, and the way back. Nothing of the request
 * is on it, so there is nothing to escape but our own text. The page of a used login leads on by itself, without a script.
 */
export function errorPage(
  error: BffError,
  requestId: string,
  { publicUrl, startUrl, usedLoginUrl }: PageAddresses,
): string {
  const isUsedLogin = error.problem === 'login_used'
  const [href, text] = isUsedLogin ? [usedLoginUrl, 'Go on'] : [startUrl, 'Try again']
  const refresh = isUsedLogin ? `<meta http-equiv="refresh" content="0; url=${usedLoginUrl}">\n` : ''
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}<title>${error.message}</title>
<style>${style}</style>
<main>
<h1>${error.message}</h1>
<p>${advice[error.problem] ?? 'If this happens again, please tell whoever runs this site, with the values below.'}</p>
<p><a href="${href}">${text}</a></p>
<dl><dt>Code</dt><dd>${error.code}</dd><dt>Request</dt><dd>${requestId}</dd><dt>Site</dt><dd>${publicUrl}</dd></dl>
</main>
</html>
`
}
