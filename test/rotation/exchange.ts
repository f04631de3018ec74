import type { ServerResponse } from 'node:http'

export interface ProviderAnswer {
  status: number
  headers?: Record<string, string>
  /** An object goes out as JSON. */
  body: object | string
}

/** One refresh token presented. Handlers decide what becomes of it, step by step. */
export interface Exchange {
  /** Name of the token: `alice.1` is the one of the login, `alice.2` its successor. */
  token: string
  /** Takes the token as the policy has it, and tells what to answer. */
  process(): ProviderAnswer
  answer(answer: ProviderAnswer): void
  /** Resets the connection. */
  reset(): void
  /** The connection itself, for answers that are not HTTP. */
  response: ServerResponse
}

export type ExchangeHandler = (exchange: Exchange) => void | Promise<void>

/** What an exchange comes to when nothing goes wrong. */
export const answerAsUsual: ExchangeHandler = (exchange) => exchange.answer(exchange.process())

/** The provider rotates, and its answer is lost. */
export const rotateAndReset: ExchangeHandler = (exchange) => {
  exchange.process()
  exchange.reset()
}

/** Lost on the way there: the provider never sees it. */
export const resetUnprocessed: ExchangeHandler = (exchange) => exchange.reset()

/** For exchanges that a test goes on with by itself, or that hang. */
export const leaveOpen: ExchangeHandler = () => undefined

/** Begins what presents a token, and goes on when that has arrived: there it hangs until the test does. */
export async function hang<First>(
  provider: { next(handler: ExchangeHandler): Promise<Exchange> },
  begin: () => First,
): Promise<{ first: First; exchange: Exchange }> {
  const asked = provider.next(leaveOpen)
  const first = begin()
  return { first, exchange: await asked }
}
