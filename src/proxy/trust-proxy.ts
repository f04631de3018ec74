import express from 'express'

/** Whether the peer at an address may speak for its clients. */
export type Trusts = (address: string) => boolean

/** @param value as Express's `trust proxy`: everybody, a number of hops, or addresses, subnets and their names */
export function createTrust(value: boolean | number | string): Trusts {
  const trusts: (address: string, hop: number) => boolean = express().set('trust proxy', value).get('trust proxy fn')
  return (address) => trusts(address, 0)
}
