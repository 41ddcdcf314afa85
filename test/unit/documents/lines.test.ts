/** Lines to paste: whatever calls curl stands where a test pastes it, and nothing in it means something else in another shell. */

import { expect, test } from 'vitest'

import { DOCUMENTS, fenced, read } from '../../support/markdown.ts'

test.each(DOCUMENTS)('%s has curl in fences of sh alone', (path) => {
  const rest = fenced(read(path), 'sh').reduce((text, lines) => text.replace(lines, ''), read(path))
  // A sentence may speak of curl; a line to paste gives it something.
  expect(rest.match(/\bcurl (-|'|"|\$|\w*:\/\/|localhost).*/g) ?? []).toEqual([])
})

test.each(DOCUMENTS)('%s has no comment in what is pasted: zsh would pass it on as arguments', (path) => {
  const lines = ['sh', 'bash'].flatMap((language) => fenced(read(path), language)).flatMap((code) => code.split('\n'))
  expect(lines.filter((line) => /(^|\s)#\s/.test(line))).toEqual([])
})
