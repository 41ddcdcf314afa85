/** docs/log.md: every event, every reason, and every cause of a refusal. What rows say is held to the same vocabulary. */

import { expect, test } from 'vitest'

import { EVENT_REASONS, EVENT_TYPES } from '../../../src/domain/events/event.ts'
import { CAUSES, EVENTS } from '../../../src/log.ts'
import { read, table } from '../../support/markdown.ts'

const document = read('docs/log.md')

test.each([
  ['event of accounts and sessions', '| event | what happened |', EVENT_TYPES],
  ['event', '| event | when |', EVENTS],
  ['cause', '| cause | what it means |', CAUSES],
])('has every %s that the code has', (_name, header, known) => {
  const rows = table(document, header).map(([name = '', words]) => [name.replace(/^`(.*)`$/, '$1'), words])
  expect(rows).toEqual(Object.entries(known))
})

test('has every reason that the code has', () => {
  const rows = table(document, '| event | reason | what it means |').map((cells) =>
    cells.map((cell) => cell.replace(/^`(.*)`$/, '$1')),
  )
  const known = Object.entries(EVENT_REASONS).flatMap(([event, reasons]) =>
    Object.entries(reasons).map(([reason, meaning]) => [event, reason, meaning]),
  )
  expect(rows).toEqual(known)
})

test('and docs/operations.md says what to tell for each end', () => {
  const told = table(read('docs/operations.md'), '| told | what happened | what to tell its owner |').map(
    ([first = '']) => first,
  )
  const named = (event: string, reason: string) =>
    told.some((cell) => cell.includes(`\`${event}\``) && cell.includes(`\`${reason}\``))
  const ends = (['session_ended', 'sessions_ended'] as const).flatMap((event) =>
    Object.keys(EVENT_REASONS[event]).map((reason) => [event, reason] as const),
  )
  expect(ends.filter(([event, reason]) => !named(event, reason))).toEqual([])
})

test('has one word for one thing: what the log says beside events is called otherwise', () => {
  expect(Object.keys(EVENTS).filter((event) => event in EVENT_TYPES)).toEqual([])
})
