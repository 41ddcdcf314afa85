/** The table of links, where one entry could contradict another, or what is done elsewhere. */

import { expect, test } from 'vitest'

import { KEEP_MAILS_SECONDS } from '../../../src/db/purge.ts'
import { LINKS } from '../../../src/domain/mails/links.ts'
import { en } from '../../../src/words/en.ts'
import { ru } from '../../../src/words/ru.ts'

const links = Object.values(LINKS)

test('no two links lead to one path', () => {
  expect(new Set(links.map(({ path }) => path)).size).toBe(links.length)
})

test.each(Object.entries(LINKS))('%s expires before it is forgotten that it was used', (_purpose, link) => {
  // A day more, since the purge reads each row once a day and the clocks of two edge locations differ.
  expect(link.lifetimeSeconds + 86_400).toBeLessThanOrEqual(KEEP_MAILS_SECONDS)
})

test('mails say how long a link works as people do', () => {
  const words = Object.entries(LINKS).map(([purpose, { lifetimeSeconds }]) => [
    purpose,
    [en.duration(lifetimeSeconds), ru.duration(lifetimeSeconds)],
  ])
  expect(Object.fromEntries(words)).toEqual({
    end_sessions: ['24 hours', '24 часов'],
    allow_place: ['24 hours', '24 часов'],
    confirm: ['24 hours', '24 часов'],
    reset_password: ['1 hour', '1 часа'],
    confirm_email: ['24 hours', '24 часов'],
    undo_email: ['7 days', '7 дней'],
  })
})

test.each(Object.entries(LINKS))(
  '%s is voided by nothing, or by another link of the table',
  (purpose, { voidedBy }) => {
    expect([null, ...Object.keys(LINKS).filter((other) => other !== purpose)]).toContain(voidedBy)
  },
)
