import type { TokenNote } from './coat.ts'

/** A row that the API answered with. */
export interface OrderRow {
  id: string
  item: string
  status: string
}

/** One call, as the log shows it. */
export interface Answer {
  status: number
  /** The problem code of a refusal, or what the network said. */
  code?: string
  orders?: OrderRow[]
  token?: TokenNote
}

/** Asks the API for the user's orders. A network that fails is an answer too, with status 0. */
export async function askForOrders(send: (path: string) => Promise<Response>): Promise<Answer> {
  try {
    const response = await send('/api/orders')
    const body: unknown = await response.json().catch(() => ({}))
    return { status: response.status, ...readBody(body) }
  } catch {
    return { status: 0, code: 'network' }
  }
}

function readBody(body: unknown): Omit<Answer, 'status'> {
  if (typeof body !== 'object' || body === null) return {}
  const answer: Omit<Answer, 'status'> = {}
  if ('code' in body && typeof body.code === 'string') answer.code = body.code
  if ('token' in body && isTokenNote(body.token)) answer.token = body.token
  if ('orders' in body && Array.isArray(body.orders)) answer.orders = body.orders.filter(isOrderRow)
  return answer
}

function isTokenNote(value: unknown): value is TokenNote {
  if (typeof value !== 'object' || value === null) return false
  return (
    'fingerprint' in value &&
    typeof value.fingerprint === 'string' &&
    'expiresIn' in value &&
    typeof value.expiresIn === 'number'
  )
}

function isOrderRow(value: unknown): value is OrderRow {
  return typeof value === 'object' && value !== null && 'id' in value && 'item' in value && 'status' in value
}
