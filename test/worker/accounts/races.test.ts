/** What two requests about one account do to each other: whoever comes second writes nothing, and no mail says that it did. */

import { env } from 'cloudflare:workers'
import { beforeEach, expect, test } from 'vitest'

import {
  changePassword,
  forgot,
  GOOD_PASSWORD,
  kindsTo,
  leave,
  linkTo,
  OTHER_PASSWORD,
  register,
  registered,
  reset,
  signedIn,
  userRow,
} from '../../support/account-life.ts'
import { dumpTables, emptyTables } from '../../support/accounts.ts'
import { answer, DONE, USED } from '../../support/answers.ts'
import { at, stopClock } from '../../support/clock.ts'
import { interruptBefore } from '../../support/interrupted-database.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, post, signInByJson } from '../../support/requests.ts'
import { startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
beforeEach(() => emptyTables(env.DB))

/** The round trip that writes, of what needs a session and the password. */
const WRITE = 4
/** The one before it, which finds that the right password does not wait. */
const RIGHT = 3

function interrupted(happen: () => Promise<unknown>, trip = WRITE): TestWorker {
  return startWorker({ DB: interruptBefore(env.DB, trip, happen) })
}

function deactivate(id: number) {
  return env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(id).run()
}

async function mailsOf(email: string, kind: string): Promise<number> {
  return (await kindsTo(email)).filter((one) => one === kind).length
}

test('a new address that is asked for with a password which is just replaced gets no link', async () => {
  const { access, email } = await registered()
  const next = `${crypto.randomUUID()}@example.com`
  const by = interrupted(() => changePassword(access, GOOD_PASSWORD))
  const json = { password: GOOD_PASSWORD, new_email: next }
  const asked = await by.call('/auth/email', { method: 'POST', json, headers: bearer(access) })
  expect(asked.status).toBe(202)
  expect(await kindsTo(next)).toEqual([])
  expect(await mailsOf(email, 'password_changed')).toBe(1)
})

test.each([
  [
    'the password has just been changed',
    async ({ access }: Awaited<ReturnType<typeof registered>>) => {
      const other = { current_password: GOOD_PASSWORD, new_password: `${OTHER_PASSWORD} first` }
      await post('/auth/password', other, { headers: bearer(access) })
    },
    1,
  ],
  [
    'the session has just ended',
    async ({ refresh }: Awaited<ReturnType<typeof registered>>) => post('/auth/token/revoke', { refresh }),
    0,
  ],
  [
    'all sessions have just ended',
    async ({ id }: Awaited<ReturnType<typeof registered>>) =>
      env.DB.prepare('UPDATE users SET ended_before = unixepoch() + created_at + 9 WHERE id = ?').bind(id).run(),
    0,
  ],
] as const)('a password is not changed where %s', async (_what, happen, mails) => {
  const mine = await registered()
  const by = interrupted(() => happen(mine))
  const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
  const headers = bearer(mine.access)
  expect(await answer(await by.call('/auth/password', { method: 'POST', json: passwords, headers }))).toEqual(USED)
  expect((await signInByJson(mine.email, OTHER_PASSWORD)).status).toBe(401)
  expect(await mailsOf(mine.email, 'password_changed')).toBe(mails)
})

test('an account whose password has just been changed stays', async () => {
  const { access, email, id } = await registered()
  await register(email)
  const by = interrupted(() => changePassword(access, GOOD_PASSWORD))
  const left = await by.call('/auth/me', {
    method: 'DELETE',
    json: { password: GOOD_PASSWORD },
    headers: bearer(access),
  })
  expect(await answer(left)).toEqual(USED)
  expect(await mailsOf(email, 'account_left')).toBe(0)
  expect(await userRow(id)).toMatchObject({ primary_email: email, left_at: null })
  // Nothing else of it has gone either.
  const { seen_places: places, registrations, attempts } = await dumpTables(env.DB)
  expect(places?.filter((row) => row['user_id'] === id)).toHaveLength(2)
  expect(registrations?.filter((row) => row['email'] === email)).toHaveLength(1)
  expect(attempts).not.toEqual([])
  expect((await signedIn(email, OTHER_PASSWORD)).id).toBe(id)
})

test.each([
  ['which was just used', (_id: number, token: string) => reset(token, `${OTHER_PASSWORD} first`), 1],
  ['of an account that was just deactivated', (id: number) => deactivate(id), 0],
] as const)('a link for a new password %s does nothing, and forgets no failure', async (_what, happen, mails) => {
  const { email, id } = await registered()
  await forgot(email)
  const token = await linkTo(email, 'reset_password', 'reset_password')
  const by = interrupted(async () => {
    await happen(id, token)
    await signInByJson(email, 'wrong')
  }, 2)
  expect(await answer(await reset(token, OTHER_PASSWORD, by))).toEqual(USED)
  expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(401)
  expect(await mailsOf(email, 'password_changed')).toBe(mails)
  const { attempts } = await dumpTables(env.DB)
  expect(attempts?.filter((row) => row['topic'] === 'sign_in own 203.0.113.7/32')).toMatchObject([{ count: 2 }])
})

test('an account can be left while another session of it is opened, which then is none', async () => {
  const { access, email, id } = await registered()
  const by = interrupted(() => leave(access), 2)
  const opened = await signInByJson(email, GOOD_PASSWORD, by)
  expect(opened.status).toBe(401)
  expect(await userRow(id)).toMatchObject({ primary_email: null })
  at(1)
  expect(await answer(await leave(access))).not.toEqual(DONE)
})

test.each([
  ['POST', '/auth/password', { current_password: GOOD_PASSWORD, new_password: 'short' }],
  ['POST', '/auth/email', { password: GOOD_PASSWORD, new_email: 'next@example.com' }],
  ['DELETE', '/auth/me', { password: GOOD_PASSWORD }],
] as const)(
  '%s %s tells nothing of the right password where ten wrong ones came with it',
  async (method, path, json) => {
    const { access, email, id } = await registered()
    // All have found that nothing waits. Then the wrong ones are counted.
    const by = interrupted(async () => {
      for (let i = 0; i < 10; i += 1) await signInByJson(email, 'wrong')
    }, RIGHT)
    const [asked, wrong] = [
      await by.call(path, { method, json, headers: bearer(access) }),
      await worker.call(path, {
        method,
        json: { ...json, password: 'wrong', current_password: 'wrong' },
        headers: bearer(access),
      }),
    ]
    expect(await answer(asked)).toEqual(await answer(wrong))
    expect(asked.status).toBe(400)
    expect(await userRow(id)).toMatchObject({ primary_email: email, credentials_version: 0 })
    expect(await kindsTo('next@example.com')).toEqual([])
  },
)
