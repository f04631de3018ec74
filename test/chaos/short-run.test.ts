import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startChild } from '../support/child-process.ts'

const command = join(import.meta.dirname, 'main.ts')

test('half a minute in which everything goes wrong costs no session that could have been kept', async () => {
  await using child = await startChild(process.execPath, [command, '--seed', '888', '--minutes', '0.45'])
  const code = await child.ended
  const output = child.output()
  assert.equal(code, 0, output)
  assert.match(output, /^every rule holds$/m)
  // A run in which little happened would prove nothing.
  const refreshes = Number(/^refreshes: (\d+)/m.exec(output)?.[1])
  const kinds = /^faults: (.+)$/m.exec(output)?.[1]?.split(', ') ?? []
  assert.ok(refreshes > 100 && kinds.length > 8, output)
})
