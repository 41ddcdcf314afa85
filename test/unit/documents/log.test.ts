/** docs/log.md: every event, and every cause of a refusal. */

import { expect, test } from 'vitest'

import { CAUSES, EVENTS } from '../../../src/log.ts'
import { read, table } from '../../support/markdown.ts'

const document = read('docs/log.md')

test.each([
  ['event', '| event | when |', EVENTS],
  ['cause', '| cause | what it means |', CAUSES],
])('has every %s that the code has', (_name, header, known) => {
  const rows = table(document, header).map(([name = '', words]) => [name.replace(/^`(.*)`$/, '$1'), words])
  expect(rows).toEqual(Object.entries(known))
})
