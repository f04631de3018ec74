import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSchedule, faultKinds, type PlannedFault } from './schedule.ts'

const options = { seed: 1, stormMs: 600_000, nodes: 3 }

test('one seed has one schedule, and another seed another', () => {
  assert.deepEqual(createSchedule(options), createSchedule(options))
  assert.notDeepEqual(createSchedule(options), createSchedule({ ...options, seed: 2 }))
})

test('ten minutes have every kind of fault, on every node', () => {
  const schedule = createSchedule(options)
  assert.deepEqual(new Set(schedule.map(({ kind }) => kind)), new Set(Object.keys(faultKinds)))
  assert.deepEqual(new Set(schedule.map(({ node }) => node)), new Set([null, 0, 1, 2]))
})

test('every fault is over when the storm is, and no node has two at a time', () => {
  const schedule = createSchedule(options)
  for (const { at, ms } of schedule) assert.ok(at + ms <= options.stormMs)
  for (const faults of Map.groupBy(schedule, ({ node }) => node).values()) {
    if (faults[0]?.node === null) continue
    for (const [index, fault] of faults.entries()) assert.ok(fault.at >= endOf(faults[index - 1]))
  }
})

function endOf(fault: PlannedFault | undefined): number {
  return fault === undefined ? 0 : fault.at + fault.ms
}
