/** A row of the demo API's only table. */
export interface Order {
  id: string
  item: string
  placed: string
  status: 'packed' | 'sent' | 'delivered'
}

const orders: ReadonlyMap<string, readonly Order[]> = new Map([
  [
    'user-alice',
    [
      { id: 'A-1042', item: 'Wool overcoat, charcoal', placed: '2026-01-12', status: 'delivered' },
      { id: 'A-1077', item: 'Silk scarf, ivory', placed: '2026-02-03', status: 'sent' },
      { id: 'A-1091', item: 'Umbrella, cane handle', placed: '2026-02-19', status: 'packed' },
    ],
  ],
  [
    'user-bob',
    [
      { id: 'B-2008', item: 'Felt hat, brown', placed: '2026-01-28', status: 'delivered' },
      { id: 'B-2031', item: 'Raincoat, yellow', placed: '2026-02-14', status: 'sent' },
    ],
  ],
])

/** The orders of one user; none for someone the shop does not know. */
export function listOrders(sub: string): readonly Order[] {
  return orders.get(sub) ?? []
}
