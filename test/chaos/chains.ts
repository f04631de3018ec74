import type { Exchange, History } from './history.ts'

/** The refresh tokens of one session in the order in which the provider issued them. */
export interface Chain {
  ref: string
  /** `tokens[0]` came with the login; each other one was issued for the one before it. */
  tokens: string[]
  /** Place in `tokens` of what an access token was issued together with. */
  generationOf: Map<string, number>
  /** When each of `tokens` was issued. */
  issuedAt: number[]
  /** The presentations of each of `tokens`, in the order of their arrival. */
  presentations: Exchange[][]
}

/** @returns by `ref` */
export function readChains({ exchanges, logins }: History): Map<string, Chain> {
  const chains = new Map<string, Chain>()
  const placeOf = new Map<string, { chain: Chain; generation: number }>()

  function issue(chain: Chain, generation: number, { issued, processed }: Exchange): void {
    if (issued === null || processed === null) return
    chain.generationOf.set(issued.access, generation)
    // A provider with leeway says the same again.
    if (chain.tokens[generation] !== undefined) return
    chain.tokens[generation] = issued.refresh
    chain.issuedAt[generation] = processed
    chain.presentations[generation] = []
    placeOf.set(issued.refresh, { chain, generation })
  }

  const decided = exchanges.filter(({ processed }) => processed !== null)
  for (const exchange of decided.toSorted((a, b) => (a.processed ?? 0) - (b.processed ?? 0))) {
    if (exchange.presented === null) {
      const { user, processed } = exchange
      const isOurs = (began: number, ended: number) => processed !== null && began <= processed && processed <= ended
      const login = logins.find((one) => one.user === user && isOurs(one.began, one.ended))
      if (login === undefined) continue // nobody got as far as having that session
      const chain: Chain = { ref: login.ref, tokens: [], generationOf: new Map(), issuedAt: [], presentations: [] }
      chains.set(login.ref, chain)
      issue(chain, 0, exchange)
    } else {
      const place = placeOf.get(exchange.presented)
      if (place !== undefined) issue(place.chain, place.generation + 1, exchange)
    }
  }
  for (const exchange of exchanges.toSorted((a, b) => a.arrived - b.arrived)) {
    const place = exchange.presented === null ? undefined : placeOf.get(exchange.presented)
    place?.chain.presentations[place.generation]?.push(exchange)
  }
  return chains
}
