import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remembering } from '../src/remember.ts'

test('what is remembered is not worked out again, nonsense is, and what is asked for again outlives what is not', () => {
  const worked: string[] = []
  const length = remembering(4, (text) => {
    worked.push(text)
    return text === '' ? null : text.length
  })
  assert.deepEqual(['a', 'bb', 'a', 'bb'].map(length), [1, 2, 1, 2])
  assert.deepEqual(worked, ['a', 'bb'])
  assert.deepEqual(['', '', 'a'].map(length), [null, null, 1])
  assert.deepEqual(worked, ['a', 'bb', '', ''])
  // Two generations of two: `a` is asked for in each, `bb` in none.
  for (const text of ['ccc', 'a', 'dddd', 'a', 'eeeee', 'a']) length(text)
  assert.deepEqual(worked.slice(4), ['ccc', 'dddd', 'eeeee'])
  length('bb')
  assert.deepEqual(worked.slice(7), ['bb'])
})
