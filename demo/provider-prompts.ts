import type { KoaContextWithOIDC } from 'oidc-provider'
import { base, Check } from 'oidc-provider/lib/helpers/interaction_policy/index.js'

/**
 * When somebody who is signed in has to sign in again: as the library has it, and when an application asks for a way to
 * sign in that they have not used (`acr_values`, RFC 9470 section 4), which the library takes for a mere wish.
 */
export function createPromptPolicy() {
  const policy = base()
  policy.get('login')?.checks.add(new Check('acr_values', 'another way to sign in is asked for', lacksAcr))
  return policy
}

function lacksAcr({ oidc }: KoaContextWithOIDC): boolean {
  const asked = String(oidc.params?.acr_values ?? '')
  if (asked === '' || oidc.result?.login !== undefined) return Check.NO_NEED_TO_PROMPT
  return !asked.split(' ').includes(oidc.acr)
}
