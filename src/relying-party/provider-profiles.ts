import type { Options } from '../options.ts'

/** What a provider's metadata does not tell of it. Sources and dates are in `docs/providers/`. */
export interface ProviderProfile {
  /** What to do there when a login brings no refresh token. */
  offlineAccess: string
  /** What becomes of a refresh token that was used, and what to set there so that a lost answer costs no session. */
  rotation: string
  /** Whether access tokens can be read by an API only if the parameter `audience` names one. */
  needsAudience: boolean
  /** A logout of its own, `null` where it is the standard's. */
  logout: OwnLogout | null
}

/** Takes the client's id and a way back, no hint and no `state`. */
interface OwnLogout {
  /** Below the issuer, for where the metadata names no end_session_endpoint; `null` where that very endpoint is meant. */
  path: string | null
  /** What it calls the way back. */
  returnParameter: string
}

/** Facts, and no branches: what differs between providers is read from here by one and the same code. */
export const providerProfiles: Readonly<Record<Options['provider'], ProviderProfile>> = {
  generic: {
    offlineAccess: 'allow this client the grant refresh_token and the scope offline_access',
    rotation:
      'if it rotates refresh tokens, let a used one be used again for 60 seconds, should it know such a setting',
    needsAudience: false,
    logout: null,
  },
  auth0: {
    offlineAccess:
      'switch on Allow Offline Access in the settings of the API that audience names, and the grant Refresh Token of the application',
    rotation: 'with Refresh Token Rotation set the Rotation Overlap Period to 60 seconds: one of 0 loses sessions',
    needsAudience: true,
    logout: { path: 'v2/logout', returnParameter: 'returnTo' },
  },
  cloudentity: {
    offlineAccess:
      'allow the grant Refresh token in the workspace (Settings, Authorization) and in the client (OAuth), and the scope offline_access to it',
    rotation: 'let the refresh token of the workspace live at least as long as a session',
    needsAudience: false,
    logout: null,
  },
  'amazon-cognito': {
    offlineAccess: 'allow the app client the authorization code grant, which brings one',
    rotation: 'with refresh token rotation set the retry grace period to 60 seconds: one of 0 loses sessions',
    needsAudience: false,
    logout: { path: null, returnParameter: 'logout_uri' },
  },
  'identity-engine': {
    offlineAccess: 'switch on Allow Offline Access in the advanced settings of the application',
    rotation: 'a used refresh token is invalid at once: a session whose answer was lost on the way has to log in again',
    needsAudience: true,
    logout: null,
  },
}
