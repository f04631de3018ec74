import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startChild } from '../support/child-process.ts'
import type { Variant } from './variants.ts'
import type { Violation } from './violation.ts'

const command = join(import.meta.dirname, 'main.ts')

const caught: readonly [Variant, Violation['rule']][] = [
  ['no re-read', 'presented after its successor was received'],
  ['no attempt marker', 'ended without a stated reason'],
]

describe('a protocol that lacks one rule is found out', { concurrency: 2 }, () => {
  for (const [variant, rule] of caught) {
    test(variant, async () => {
      const args = [command, '--seed', '5', '--minutes', '0.12', '--users', '30', '--variant', variant]
      await using child = await startChild(process.execPath, args)
      assert.equal(await child.ended, 1, child.output())
      assert.match(child.output(), new RegExp(`^VIOLATED: .*${rule}`, 'm'))
    })
  }
})
