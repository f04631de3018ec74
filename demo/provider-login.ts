import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import type { Account } from './accounts.ts'
import { createPage, escapeHtml, type Page } from './provider-page.ts'

/** Where the provider sends a browser that has to sign in; the id of the interaction follows. */
export const loginPath = '/login/'

/** Serves the sign-in form and takes its answer. There is no consent page: what is asked for is granted. */
export function createLogin(
  provider: Provider,
  accounts: readonly Account[],
  acrs: readonly string[],
  onLogin: () => void,
) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const interaction = await provider.interactionDetails(request, response).catch(() => undefined)
    if (!interaction) return send(response, 400, expiredPage())

    // An application that asks for `prompt=consent` gets it without a page of its own.
    if (interaction.prompt.name === 'consent') {
      return provider.interactionFinished(request, response, { consent: {} })
    }

    const hint = interaction.params.login_hint
    if (request.method !== 'POST') return send(response, 200, loginPage(typeof hint === 'string' ? hint : ''))

    const form = await readForm(request)
    if (form.has('cancel')) {
      return provider.interactionFinished(request, response, {
        error: 'access_denied',
        error_description: 'the user cancelled the sign-in',
      })
    }
    const username = form.get('username') ?? ''
    const account = accounts.find((candidate) => candidate.username === username)
    if (!account || !equal(account.password, form.get('password') ?? '')) {
      return send(response, 401, loginPage(username, 'That user name and password do not belong together. Try again.'))
    }
    const asked = String(interaction.params.acr_values ?? '').split(' ')
    const acr = asked.find((value) => acrs.includes(value)) ?? acrs[0]
    onLogin()
    return provider.interactionFinished(
      request,
      response,
      { login: { accountId: account.claims.sub, ...(acr === undefined ? {} : { acr }) } },
      { mergeWithLastSubmission: false },
    )
  }
}

function loginPage(username: string, problem?: string): Page {
  const focus = (here: boolean): string => (here ? ' autofocus' : '')
  return createPage(
    'Sign in',
    `${problem === undefined ? '' : `<p class="alarm" id="problem" role="alert">${problem}</p>`}
<form method="post" autocomplete="on">
<label for="username">User name</label>
<input id="username" name="username" value="${escapeHtml(username)}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required${focus(username === '')}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
${problem === undefined ? '' : ' aria-invalid="true" aria-describedby="problem"'}${focus(username !== '')}>
<button type="submit" id="submit">Sign in</button>
<button type="submit" id="cancel" class="quiet" name="cancel" value="yes" formnovalidate>Cancel</button>
</form>
<p class="hint">The password is the user name: <code>alice</code> or <code>bob</code>.</p>`,
  )
}

function expiredPage(): Page {
  return createPage('This sign-in has ended', '<p>Go back to the application and sign in again from there.</p>')
}

function send(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, page.headers).end(page.html)
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    // Longer than any user name and password: read on, so that an answer can be given, but keep nothing.
    if (length <= 10_000) chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

function equal(expected: string, given: string): boolean {
  const hash = (value: string): Buffer => createHash('sha256').update(value).digest()
  return timingSafeEqual(hash(expected), hash(given))
}
