import type { KoaContextWithOIDC } from 'oidc-provider'
import { createPage, type Page } from './provider-page.ts'

/**
 * The page between an application's logout request and its end. A request that proves which session it means (a valid
 * `id_token_hint`, or the session's own `sid` as `logout_hint`) goes on by itself; any other asks first, because a
 * link on any page could have started it (OpenID Connect RP-Initiated Logout 1.0, section 2).
 */
export function askForLogout(ctx: KoaContextWithOIDC, form: string): void {
  show(ctx, provesItsSession(ctx) ? continuePage(form) : askPage(form))
}

/** Where a logout ends when the application named no address to return to. */
export function confirmLogout(ctx: KoaContextWithOIDC): void {
  show(ctx, createPage('Signed out', '<p>You have signed out. You can close this page.</p>'))
}

/** Shows a page as the answer of the library's own endpoint. */
export function show(ctx: KoaContextWithOIDC, page: Page): void {
  ctx.set(page.headers)
  ctx.body = page.html
}

function provesItsSession({ oidc }: KoaContextWithOIDC): boolean {
  if (oidc.entities.IdTokenHint) return true
  const hint = oidc.params?.logout_hint
  if (typeof hint !== 'string' || !oidc.client || !oidc.session) return false
  // Asking for the sid of an application that has none would create one.
  return oidc.session.authorizations?.[oidc.client.clientId]?.sid === hint
}

function continuePage(form: string): Page {
  return createPage(
    'Signing out',
    `${form}<input type="hidden" form="op.logoutForm" name="logout" value="yes">
<p>One moment.</p>
<noscript><button type="submit" form="op.logoutForm">Continue</button></noscript>`,
    `document.getElementById('op.logoutForm').submit()`,
  )
}

function askPage(form: string): Page {
  return createPage(
    'Sign out?',
    `${form}<p>This ends your session at the identity provider.</p>
<button type="submit" id="submit" form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
<button type="submit" class="quiet" form="op.logoutForm">Stay signed in</button>`,
  )
}
