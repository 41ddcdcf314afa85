/** A mail about anything: what makes it due is a condition of whoever stores it, and need not be a session. */

import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'

import { prepareNotice } from '../../../src/db/mails/notices.ts'
import { users } from '../../../src/db/schema.ts'
import type { DueNotice } from '../../../src/domain/mails/notice.ts'
import { START } from '../../support/clock.ts'
import { openMailbox, readOutbox } from '../../support/mailbox.ts'
import { mail, readSessions, sendBatch, startWithOwner, STRANGER } from '../../support/mails.ts'
import { ELSEWHERE, ORIGIN } from '../../support/worker.ts'

startWithOwner()

const { city, country, asn, asOrganization: provider } = STRANGER.cf
const CLIENT = { address: ELSEWHERE, city, country, asn, provider, userAgent: STRANGER.headers['User-Agent'] }

/** Stores a notice for the owner, due because of the group of the account. Returns the ids of the rows that were stored. */
async function store(id: string, { dedupeKey = 'group:1', group = 'user' } = {}): Promise<readonly string[]> {
  const userId = await env.DB.prepare('SELECT id FROM users').first<number>('id')
  const notice: DueNotice = {
    kind: 'token_reused',
    facts: { at: START, client: CLIENT, origin: ORIGIN },
    userId: userId ?? 0,
    dedupeKey,
  }
  const statement = prepareNotice(env.DB, eq(users.group, group))
  const [result] = await env.DB.batch([statement.bind(id, notice, { now: START })])
  return statement.rows(result).map((row) => row.id)
}

test('is stored and sent where its condition holds, without any session', async () => {
  const box = openMailbox({ MAIL_QUEUE: { sendBatch } })
  expect(await store('mail-1')).toEqual(['mail-1'])
  expect(await readSessions()).toEqual([])

  const [row] = await readOutbox()
  const message = { id: 'mail-1', account: row?.['user_id'] ?? null }
  await env.MAIL_QUEUE.send(message)
  expect(await box.settled({ id: 'mail-1' }, 1)).toEqual(['ack'])
  expect(box.mails).toEqual([await mail('mail-1', { kind: 'token_reused' })])
})

test('is not stored where its condition does not hold', async () => {
  expect(await store('mail-1', { group: 'admin' })).toEqual([])
  expect(await readOutbox()).toEqual([])
})

test('is stored once for a key, and again for another', async () => {
  expect(await store('mail-1')).toEqual(['mail-1'])
  expect(await store('mail-2')).toEqual([])
  expect(await store('mail-3', { dedupeKey: 'group:2' })).toEqual(['mail-3'])
  expect((await readOutbox()).map(({ id }) => id)).toEqual(['mail-1', 'mail-3'])
})
