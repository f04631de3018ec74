import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remembering } from '../src/remember.ts'

test('what is remembered is not worked out again, nonsense is, and the oldest goes first', () => {
  const worked: string[] = []
  const length = remembering(2, (text) => {
    worked.push(text)
    return text === '' ? null : text.length
  })
  assert.deepEqual(['a', 'bb', 'a', 'bb'].map(length), [1, 2, 1, 2])
  assert.deepEqual(worked, ['a', 'bb'])
  assert.deepEqual(['', '', 'a'].map(length), [null, null, 1])
  assert.deepEqual(worked, ['a', 'bb', '', ''])
  assert.equal(length('ccc'), 3)
  assert.deepEqual(['bb', 'a'].map(length), [2, 1])
  assert.deepEqual(worked, ['a', 'bb', '', '', 'ccc', 'a'])
})
