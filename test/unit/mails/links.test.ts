/** The table of links, where one entry could contradict another, or what is done elsewhere. */

import { expect, test } from 'vitest'

import { KEEP_MAILS_SECONDS } from '../../../src/db/purge.ts'
import { describeLifetime, type LinkPurpose, LINKS } from '../../../src/domain/mails/links.ts'

const links = Object.values(LINKS)

test('no two links lead to one path', () => {
  expect(new Set(links.map(({ path }) => path)).size).toBe(links.length)
})

test.each(Object.entries(LINKS))('%s expires before it is forgotten that it was used', (_purpose, link) => {
  // A day more, since the purge reads each row once a day and the clocks of two edge locations differ.
  expect(link.lifetimeSeconds + 86_400).toBeLessThanOrEqual(KEEP_MAILS_SECONDS)
})

test('mails say how long a link works as people do', () => {
  const words = Object.keys(LINKS).map((purpose) => [purpose, describeLifetime(purpose as LinkPurpose)])
  expect(Object.fromEntries(words)).toEqual({
    end_sessions: '24 hours',
    allow_place: '24 hours',
    confirm: '24 hours',
    reset_password: 'an hour',
    confirm_email: '24 hours',
    undo_email: '7 days',
  })
})

test.each(Object.entries(LINKS))(
  '%s is voided by nothing, or by another link of the table',
  (purpose, { voidedBy }) => {
    expect([null, ...Object.keys(LINKS).filter((other) => other !== purpose)]).toContain(voidedBy)
  },
)
