/** The life of a session, as docs/sessions.md draws it: every edge is explained, and proved by a test; every verdict has its row. */

import { expect, test } from 'vitest'

import { OUTCOMES } from '../../../src/domain/sessions/verdict.ts'
import { ERRORS } from '../../../src/errors.ts'
import { filesWithTest, read, table } from '../../support/markdown.ts'

const document = read('docs/sessions.md')
const edges = table(document, '| edge | when | what happens | the test that proves it |')

test('explains every edge of its diagram', () => {
  const drawn = document.match(/(?<=--> .*: )\d+ .*/gm)
  expect(edges.map(([edge]) => edge)).toEqual(drawn)
})

test('says of every verdict who is told what, as the code does', () => {
  const rows = table(document, '| cause | answer | the session | the owner |')
  const said = rows.map(([cause, answer = '', session = '', owner = '']) => [
    /^`(\w+)`/.exec(cause ?? '')?.[1],
    {
      answer: answer.startsWith('200, ') ? 'pair' : /^\d+ `(\w+)`$/.exec(answer)?.[1],
      ends: session.startsWith('ends'),
      isMailed: owner.startsWith('gets a mail'),
    },
  ])
  const decided = Object.entries(OUTCOMES).map(([kind, outcome]) => [
    kind,
    { answer: outcome.answer, ends: 'ends' in outcome, isMailed: 'mail' in outcome },
  ])

  expect(said).toEqual(decided)
  const statuses = rows.flatMap(([, answer = '']) => [...answer.matchAll(/^(\d+) `(\w+)`$/g)])
  for (const [, status, code = ''] of statuses) {
    expect(Object.entries(ERRORS).find(([known]) => known === code)?.[1].status).toBe(Number(status))
  }
})

test.each(edges.map((cells) => [cells[0], cells[3]]))('proves edge %s by a test that there is', (_edge, proof = '') => {
  const [, file = '', title = ''] = /^`(.+)`: (.+)$/.exec(proof) ?? []
  expect(filesWithTest(title)).toContain(file)
})
