import type { Options } from '../options.ts'
import type { Provider } from '../relying-party/provider.ts'
import type { Store } from '../storage/store.ts'
import type { Say } from '../telemetry/events.ts'
import type { Denials } from './denials.ts'
import type { LiveRecords } from './live-records.ts'

/** What every kind of access token needs to be had. */
export interface SpendingParts {
  options: Options
  store: Store
  provider: Provider
  records: LiveRecords
  denials: Denials
  say: Say
}
