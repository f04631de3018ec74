import { nginx } from '../peers/nginx.ts'
import { usualStack } from '../peers/usual-stack.ts'
import { ratioOfRounds, type Table, withRange } from '../report.ts'
import { spreadOf } from '../statistics.ts'
import type { Sample, Throughput } from './throughput.ts'

/** For requests, of which each is alike. */
export function requestTable(rows: readonly Throughput[]): Table {
  return [
    ['peer', ...ratioHeads, 'CPU s per 10,000', 'requests/s', 'p50 ms', 'p99 ms', 'memory MB'],
    ...rows.map((row) => [
      row.peer,
      ...ratios(row, rows, 'cpuPer10k'),
      cell(row, 'cpuPer10k', 3),
      cell(row, 'requestsPerSecond', 0),
      cell(row, 'p50Ms', 1),
      cell(row, 'p99Ms', 1),
      cell(row, 'residentMegabytes', 0),
    ]),
  ]
}

/** For answers so large that it is their bytes that count. */
export function downloadTable(rows: readonly Throughput[]): Table {
  return [
    ['peer', ...ratioHeads, 'CPU s per GB', 'MB/s', 'memory MB'],
    ...rows.map((row) => [
      row.peer,
      ...ratios(row, rows, 'cpuPerGigabyte'),
      cell(row, 'cpuPerGigabyte', 2),
      cell(row, 'megabytesPerSecond', 0),
      cell(row, 'residentMegabytes', 0),
    ]),
  ]
}

/** What the rounds measured of one peer, in their order. */
export function valuesOf({ samples }: Throughput, key: keyof Sample): number[] {
  return samples.map((sample) => sample[key])
}

/** Median and range of that. */
export function cell(row: Throughput, key: keyof Sample, digits: number): string {
  return withRange(spreadOf(valuesOf(row, key)), digits)
}

const ratioHeads = ['CPU, x nginx', 'CPU, usual stack is x']

function ratios(row: Throughput, rows: readonly Throughput[], key: keyof Sample): string[] {
  const of = (name: string) => {
    const found = rows.find(({ peer }) => peer === name)
    return found === undefined ? undefined : valuesOf(found, key)
  }
  const own = valuesOf(row, key)
  return [ratioOfRounds(own, of(nginx.name)), ratioOfRounds(of(usualStack.name), own)]
}
