import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { Seal } from '../tokens/seal.ts'
import type { CookieJar } from './cookie-jar.ts'
import { createLoginLoop, type LoginLoop } from './login-loop.ts'
import { createPendingLogins, type PendingLogins } from './pending-login.ts'
import { createUsedLogins, type UsedLogins } from './used-login.ts'

/** What is known of logins, from their beginning until they are forgotten. */
export interface Logins {
  pending: PendingLogins
  used: UsedLogins
  loop: LoginLoop
}

/** @param lifeMs as `timing.login` */
export function createLogins(store: Store, seal: Seal, jar: CookieJar, lifeMs: number, say: Say): Logins {
  return {
    pending: createPendingLogins(store, seal, jar, lifeMs),
    used: createUsedLogins(store, seal, jar, lifeMs),
    loop: createLoginLoop(jar, say),
  }
}
