import { nginx } from '../peers/nginx.ts'
import { usualStack } from '../peers/usual-stack.ts'
import { ratio, type Table, withRange } from '../report.ts'
import type { Spread } from '../statistics.ts'
import type { Throughput } from './throughput.ts'

/** For requests, of which each is alike. */
export function requestTable(rows: readonly Throughput[]): Table {
  return [
    ['peer', ...ratioHeads, 'CPU s per 10,000', 'requests/s', 'p50 ms', 'p99 ms', 'memory MB'],
    ...rows.map((row) => [
      row.peer,
      ...ratios(row, rows, ({ cpuPer10k }) => cpuPer10k),
      withRange(row.cpuPer10k, 3),
      withRange(row.requestsPerSecond, 0),
      withRange(row.p50Ms, 1),
      withRange(row.p99Ms, 1),
      withRange(row.residentMegabytes, 0),
    ]),
  ]
}

/** For answers so large that it is their bytes that count. */
export function downloadTable(rows: readonly Throughput[]): Table {
  return [
    ['peer', ...ratioHeads, 'CPU s per GB', 'MB/s', 'memory MB'],
    ...rows.map((row) => [
      row.peer,
      ...ratios(row, rows, ({ cpuPerGigabyte }) => cpuPerGigabyte),
      withRange(row.cpuPerGigabyte, 2),
      withRange(row.megabytesPerSecond, 0),
      withRange(row.residentMegabytes, 0),
    ]),
  ]
}

const ratioHeads = ['CPU, x nginx', 'CPU, usual stack is x']

function ratios(row: Throughput, rows: readonly Throughput[], cpu: (row: Throughput) => Spread): string[] {
  const medianOf = (name: string) => {
    const found = rows.find(({ peer }) => peer === name)
    return found === undefined ? undefined : cpu(found).median
  }
  const own = cpu(row).median
  return [ratio(own, medianOf(nginx.name)), ratio(medianOf(usualStack.name), own)]
}
