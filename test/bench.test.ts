import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseStat, treeOf } from '../bench/accounting.ts'
import { listening } from '../bench/cases/workers.ts'
import { readLoadReport } from '../bench/load.ts'
import { ratio, ratioOfRounds, report, withRange } from '../bench/report.ts'
import { alternate, inRounds, percentile, spreadOf, timesOf } from '../bench/statistics.ts'
import { wrkScript } from '../bench/wrk-script.ts'

describe('the benchmark', () => {
  test('takes the middle of its rounds, and the mean of the two in the middle', () => {
    assert.deepEqual(spreadOf([30, 10, 20]), { median: 20, min: 10, max: 30 })
    assert.deepEqual(spreadOf([1, 2, 3, 10]), { median: 2.5, min: 1, max: 10 })
    assert.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7 })
    assert.throws(() => spreadOf([]), RangeError)
  })

  test('takes percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
    assert.equal(percentile(hundred, 99), 99)
    assert.equal(percentile(hundred, 50), 50)
    assert.equal(percentile([5], 99), 5)
    assert.throws(() => percentile([], 50), RangeError)
  })

  test('compares two peers within each round, so that a busy machine does not count', () => {
    assert.deepEqual(timesOf([3, 30, 8], [1, 10, 2]), { median: 3, min: 3, max: 4 })
    assert.throws(() => timesOf([], []), RangeError)
  })

  test('begins each round with another peer', () => {
    assert.equal(alternate(['a', 'b', 'c'], 3).join(''), 'abcbcacab')
    assert.deepEqual(alternate([], 3), [])
  })

  test('keeps apart what the rounds measured of each peer, in the order of the peers', async () => {
    const turns = [1, 2, 3, 4].values()
    const measured = await inRounds(['a', 'b'], 2, async (peer) => `${peer}${turns.next().value}`)
    assert.deepEqual(
      [...measured],
      [
        ['a', ['a1', 'a4']],
        ['b', ['b2', 'b3']],
      ],
    )
  })

  test('reads the CPU time of a process whose name has brackets and spaces', () => {
    const line = '4711 (node (main) x) S 12 4711 4711 0 -1 4194304 9 8 7 6 150 50 3 4 20 0 11 0 12345 1000 200'
    assert.deepEqual(parseStat(line), { pid: 4711, parent: 12, ticks: 207 })
  })

  test('counts a process and all that it has started, and nothing else', () => {
    const processes = [
      { pid: 1, parent: 0, ticks: 1 },
      { pid: 5, parent: 1, ticks: 1 },
      { pid: 6, parent: 5, ticks: 1 },
      { pid: 7, parent: 6, ticks: 1 },
      { pid: 8, parent: 1, ticks: 1 },
    ]
    assert.deepEqual(
      treeOf(5, processes).map(({ pid }) => pid),
      [5, 6, 7],
    )
    assert.deepEqual(treeOf(9, processes), [])
  })

  test('reads the report that ends the output of the load, and takes nothing less', () => {
    const report = { requests: 10, seconds: 2, bytes: 300, failures: 0, p50Ms: 1.5, p99Ms: 9 }
    assert.deepEqual(readLoadReport(`Running 2s test\n${JSON.stringify(report)}\n`), report)
    assert.throws(() => readLoadReport('Running 2s test\n'))
    assert.throws(() => readLoadReport(JSON.stringify({ ...report, p99Ms: null })))
  })

  test('writes texts into a program of wrk so that they end nowhere but at their end', () => {
    const load = { url: '', method: 'GET', headers: { A: `'"\\\n` }, bodyBytes: 0, connections: 1, seconds: 1 } as const
    assert.ok(wrkScript(load, '').includes(`wrk.headers['A'] = '\\039\\034\\092\\010'`))
  })

  test('shows ratios and ranges', () => {
    assert.equal(ratio(0.6, 0.15), '4.00')
    assert.equal(ratio(30, 2), '15.0')
    assert.equal(ratio(1, undefined), '-')
    assert.equal(ratio(undefined, 1), '-')
    assert.equal(ratioOfRounds([3, 30, 8], [1, 10, 2]), '3.00 (3.00-4.00)')
    assert.equal(ratioOfRounds([22, 24, 23], [2, 2, 2]), '11.5 (11.0-12.0)')
    assert.equal(ratioOfRounds([3, 30, 8], [3, 30, 8]), '1.00')
    assert.equal(ratioOfRounds([1], undefined), '-')
    assert.equal(withRange({ median: 1234.5, min: 1000, max: 2000 }, 0), '1,235 (1,000-2,000)')
  })

  test('writes each section under its title, with a note where it has one', () => {
    const table = [
      ['peer', 'x'],
      ['one', '1'],
    ]
    assert.equal(
      report([
        { title: 'A', table },
        { title: 'B', note: 'As A.', table },
      ]),
      '## A\n\n| peer | x |\n| --- | --- |\n| one | 1 |\n\n## B\n\nAs A.\n\n| peer | x |\n| --- | --- |\n| one | 1 |\n',
    )
  })

  test('knows by what a worker logs that it listens', () => {
    const output =
      '{"level":30,"pid":12,"msg":"listening"}\n{"pid":13,"msg":"store_ready"}\n{"pid":13,"msg":"listening"}\n'
    assert.deepEqual(listening(output), [12, 13])
  })
})
