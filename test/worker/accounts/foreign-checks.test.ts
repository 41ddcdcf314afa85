/** The check of a foreign hash takes up to some seconds: an account has one at a time, so that tries at once are as few as tries in a row. */

import { env } from 'cloudflare:workers'
import { beforeEach, expect, test, vi } from 'vitest'

import { readForeignHash } from '../../../src/domain/accounts/foreign-hash.ts'
import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { at, stopClock } from '../../support/clock.ts'
import { named } from '../../support/foreign-hashes.ts'
import { keepLog } from '../../support/log.ts'
import { openByGuid } from '../../support/sessions.ts'
import { worker } from '../../support/worker.ts'

const { hash, password } = named('Django: PBKDF2')

stopClock()
const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

async function importAccount() {
  const read = readForeignHash(hash)
  if ('refused' in read) throw new Error(read.refused)
  const account = await createAccount(env.DB, { passwordHash: read.stored })
  return { ...account, email: account.email ?? '' }
}

/** A sign-in from a network of its own. */
function signIn(primary_email: string, json: { readonly password: string }, network = 0): Promise<Response> {
  return worker.call('/auth/token', {
    method: 'POST',
    json: { primary_email, ...json },
    ip: `203.0.${network}.7`,
  })
}

/** How often the hash was computed since. */
function countChecks() {
  const derive = vi.spyOn(crypto.subtle, 'deriveBits')
  return () => derive.mock.calls.filter(([algorithm]) => JSON.stringify(algorithm).includes('PBKDF2')).length
}

test('of thirty tries at once one is verified', async () => {
  const { email, guid } = await importAccount()
  const checks = countChecks()
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => signIn(email, { password: 'wrong' }, i)))

  const busy = answers.filter(({ status }) => status === 429)
  expect([checks(), busy.length, answers.length - busy.length]).toEqual([1, 29, 1])
  for (const { headers } of busy) expect(headers.get('Retry-After')).toBe('5')
  const line = { event: 'refused', code: 'too_many_requests', status: 429, cause: 'another check', guid }
  expect(logged).toHaveBeenCalledWith(expect.objectContaining(line))
})

test('however tries come, ten are verified, and then the account waits', async () => {
  const { email } = await importAccount()
  const checks = countChecks()
  for (let round = 0; round < 14; round += 1) {
    await Promise.all(Array.from({ length: 4 }, (_, i) => signIn(email, { password: 'wrong' }, i)))
  }
  expect(checks()).toBe(10)
})

test('a try that failed, and one that was right, leave the next one its turn', async () => {
  const { email, guid } = await importAccount()
  expect((await signIn(email, { password: 'wrong' })).status).toBe(401)
  const { access } = await openByGuid(guid)
  const change = async (next: string) => {
    const json = { password, new_email: `${next}.${email}` }
    const headers = { Authorization: `Bearer ${access}` }
    return (await worker.call('/auth/email', { method: 'POST', json, headers })).status
  }
  expect([await change('one'), await change('two')]).toEqual([202, 202])
  expect((await signIn(email, { password })).status).toBe(200)
  expect((await dumpTables(env.DB))['attempts']?.filter(({ topic }) => topic === 'foreign_check')).toEqual([])
})

test('a check whose Worker died is over after half a minute', async () => {
  const { email } = await importAccount()
  await signIn(email, { password: 'wrong' })
  // As the statement that begins a check leaves it.
  await env.DB.prepare(
    `INSERT INTO attempts (subject, topic, count, since, at, waits_until)
     SELECT subject, 'foreign_check', 1, at, at, at + 30 FROM attempts`,
  ).run()
  at(29)
  expect((await signIn(email, { password })).status).toBe(429)
  at(30)
  expect((await signIn(email, { password })).status).toBe(200)
})

test('the check of one account does not keep another waiting', async () => {
  const accounts = [await importAccount(), await importAccount()]
  const statuses = await Promise.all(accounts.map(async ({ email }) => (await signIn(email, { password })).status))
  expect(statuses).toEqual([200, 200])
})
