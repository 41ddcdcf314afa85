/** The table of links, where one entry could contradict another, or what is done elsewhere. */

import { expect, test } from 'vitest'

import { KEEP_MAILS_SECONDS } from '../../../src/db/purge.ts'
import { LINKS } from '../../../src/domain/mails/links.ts'

const links = Object.values(LINKS)

test('no two links lead to one path', () => {
  expect(new Set(links.map(({ path }) => path)).size).toBe(links.length)
})

test.each(Object.entries(LINKS))('%s expires before it is forgotten that it was used', (_purpose, link) => {
  // A day more, since the purge reads each row once a day and the clocks of two edge locations differ.
  expect(link.lifetimeSeconds + 86_400).toBeLessThanOrEqual(KEEP_MAILS_SECONDS)
})

test.each(Object.entries(LINKS))(
  '%s lives for whole hours, more than one, since mails say "24 hours"',
  (_purpose, link) => {
    expect(Number.isInteger(link.lifetimeSeconds / 3600) && link.lifetimeSeconds > 3600).toBe(true)
  },
)

test.each(Object.entries(LINKS))(
  '%s is voided by nothing, or by another link of the table',
  (purpose, { voidedBy }) => {
    expect([null, ...Object.keys(LINKS).filter((other) => other !== purpose)]).toContain(voidedBy)
  },
)
