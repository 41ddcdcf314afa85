/** New passwords, by the link of a mail and by the former password; and the end of an account. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changeEmail,
  changePassword,
  forgot,
  GOOD_PASSWORD,
  kindsTo,
  leave,
  linkTo,
  mailsTo,
  OTHER_PASSWORD,
  pressPage,
  register,
  registered,
  reset,
  signedIn,
  tokenOf,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, GUID, insertPlace, PASSWORD } from '../../support/accounts.ts'
import {
  ACCEPTED,
  answer,
  DONE,
  NO_ACCOUNT,
  NOT_AUTHENTICATED,
  NOT_VALID,
  problem,
  USED,
} from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { block, press, PURPOSES } from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, me, post, refreshByJson, SERVICE, signInByJson } from '../../support/requests.ts'
import { ELSEWHERE, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

function notAccepted(field: string, reason: string) {
  const errors = { [field]: [reason] }
  return problem(400, 'Bad Request', 'Password is not accepted', 'password_not_accepted', { errors })
}

function wrong(field: string) {
  return problem(400, 'Bad Request', 'Not valid password', 'password_not_valid', {
    errors: { [field]: ['is not right'] },
  })
}

async function resetLink(email: string): Promise<string> {
  await forgot(email)
  return linkTo(email, 'reset_password', 'reset_password')
}

describe('a forgotten password', () => {
  test('is replaced by the link of a mail, which ends every session and tells the owner', async () => {
    const { email, access, refresh, id } = await registered()
    expect(await answer(await forgot(email))).toEqual(ACCEPTED)
    const token = await linkTo(email, 'reset_password', 'reset_password')
    at(60)
    expect(await answer(await reset(token))).toEqual(DONE)

    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)
    expect((await refreshByJson(refresh)).status).toBe(401)
    expect(await me(access)).toEqual(USED)
    expect((await signedIn(email, OTHER_PASSWORD)).id).toBe(id)
    expect(await kindsTo(email)).toEqual(['confirm_address', 'reset_password', 'password_changed'])
    expect(JSON.parse(String((await mailsTo(email)).at(-1)?.['facts']))).toMatchObject({ how: 'reset' })
  })

  test('confirms the address of an account that nobody confirmed', async () => {
    const { id, email } = await createAccount(env.DB, { confirmedAt: null })
    await reset(await resetLink(String(email)))
    expect(await userRow(id)).toMatchObject({ confirmed_at: T0, credentials_version: 1 })
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('leaves an address confirmed since when it was', async () => {
    const { id, email } = await createAccount(env.DB)
    await reset(await resetLink(String(email)))
    expect(await userRow(id)).toMatchObject({ confirmed_at: 1_700_000_000 })
  })

  test('is asked for by the address in any case and any composition', async () => {
    const id = crypto.randomUUID()
    const { email } = await createAccount(env.DB, { email: `z\u00e9e-${id}@example.com` })
    await forgot(` Ze\u0301E-${id.toUpperCase()}@Example.com `)
    expect(await kindsTo(String(email))).toEqual(['reset_password'])
  })

  test.each(['', `${'a'.repeat(243)}@example.com`])('is not asked for by what can be no address: %s', async (email) => {
    expect((await forgot(email)).status).toBe(400)
  })

  test('of an account that has none is its first one', async () => {
    const { email } = await createAccount(env.DB, { passwordHash: null })
    await reset(await resetLink(String(email)))
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('is nothing that an unknown address, or that of a deactivated account, gets a mail for', async () => {
    const { email } = await createAccount(env.DB, { isActive: false })
    const before = (await dumpTables(env.DB))['notifications']
    expect(await answer(await forgot(String(email)))).toEqual(ACCEPTED)
    expect(await answer(await forgot('nobody-at-all@example.com'))).toEqual(ACCEPTED)
    expect((await dumpTables(env.DB))['notifications']).toEqual(before)
  })

  test('is asked for five times a day at most', async () => {
    const { email } = await createAccount(env.DB)
    for (let i = 0; i < 7; i += 1) expect((await forgot(String(email))).status).toBe(202)
    expect(await kindsTo(String(email))).toHaveLength(5)
  })

  test('is not replaced by one that breaks a rule, and the link still works', async () => {
    const { email } = await registered()
    const token = await resetLink(email)
    const refusal = notAccepted('new_password', 'must have at least 15 characters')
    expect(await answer(await reset(token, 'short'))).toEqual(refusal)
    const own = notAccepted('new_password', 'is made of your own address')
    expect(await answer(await reset(token, email))).toEqual(own)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
    expect((await reset(token)).status).toBe(204)
  })
})

describe('the link for a new password', () => {
  test('works once, however many press it at the same time', async () => {
    const { email } = await registered()
    const token = await resetLink(email)
    const statuses = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => (await reset(token, `${OTHER_PASSWORD} ${i}`)).status),
    )
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(9).fill(401)])
    expect((await kindsTo(email)).filter((kind) => kind === 'password_changed')).toHaveLength(1)
  })

  test('works for an hour', async () => {
    const { email } = await registered()
    const token = await resetLink(email)
    at(3600)
    expect(await answer(await reset(token))).toEqual(NOT_VALID)
    at(3599)
    expect((await reset(token)).status).toBe(204)
  })

  test.each([
    ['the password', (access: string) => changePassword(access, GOOD_PASSWORD)],
    [
      'the address',
      async (access: string) => {
        const email = `${crypto.randomUUID()}@example.com`
        await changeEmail(access, email)
        const token = await linkTo(email, 'confirm_email', 'confirm_email')
        return pressPage('/links/confirm-email', { token })
      },
    ],
  ])('is void when %s has changed since', async (_what, change) => {
    const { email, access } = await registered()
    const token = await resetLink(email)
    expect((await change(access)).status).toBeLessThan(400)
    expect(await answer(await reset(token))).toEqual(USED)
  })

  test('is void when the account was deactivated since', async () => {
    const { email, id } = await registered()
    const token = await resetLink(email)
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(id).run()
    expect(await answer(await reset(token))).toEqual(USED)
  })
})

describe('a password that is changed', () => {
  test('ends every other session, keeps this one, and tells the owner', async () => {
    const mine = await registered()
    const other = await signedIn(mine.email)
    at(5)
    expect(await answer(await changePassword(mine.access, GOOD_PASSWORD))).toEqual(DONE)
    expect((await refreshByJson(other.refresh)).status).toBe(401)
    expect((await refreshByJson(mine.refresh)).status).toBe(200)
    expect((await signInByJson(mine.email, GOOD_PASSWORD)).status).toBe(401)
    expect(JSON.parse(String((await mailsTo(mine.email)).at(-1)?.['facts']))).toMatchObject({ how: 'changed' })
    expect((await signInByJson(mine.email, OTHER_PASSWORD)).status).toBe(200)
    expect((await kindsTo(mine.email)).at(-1)).toBe('password_changed')
  })

  test('needs the former one, in this account', async () => {
    const { access, email } = await registered()
    expect(await answer(await changePassword(access, OTHER_PASSWORD))).toEqual(wrong('current_password'))
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
    expect(await kindsTo(email)).toEqual(['confirm_address'])
  })

  test('has to be a good one', async () => {
    const { access, email } = await registered()
    const own = notAccepted('new_password', 'is made of your own address')
    expect(await answer(await changePassword(access, GOOD_PASSWORD, email))).toEqual(own)
    const refusal = notAccepted('new_password', 'must have at least 15 characters')
    expect(await answer(await changePassword(access, GOOD_PASSWORD, 'short'))).toEqual(refusal)
  })

  test('needs a session that lives, in its own place', async () => {
    const { access, refresh } = await registered()
    expect(await answer(await post('/auth/password', { current_password: 'x', new_password: 'y' }))).toEqual(
      NOT_AUTHENTICATED,
    )
    const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    const elsewhere = await post('/auth/password', passwords, { headers: bearer(access), ip: ELSEWHERE })
    expect(elsewhere.status).toBe(401)
    await post('/auth/token/revoke', { refresh })
    expect(await answer(await changePassword(access, GOOD_PASSWORD))).toEqual(USED)
  })

  test('is changed by one of two who know the former one', async () => {
    const { access, email } = await registered()
    const statuses = await Promise.all(
      ['first', 'other'].map(
        async (word) => (await changePassword(access, GOOD_PASSWORD, `${OTHER_PASSWORD} ${word}`)).status,
      ),
    )
    expect(statuses.toSorted((a, b) => a - b)[0]).toBe(204)
    expect(statuses).not.toEqual([204, 204])
    expect((await kindsTo(email)).filter((kind) => kind === 'password_changed')).toHaveLength(1)
  })
})

describe('an account whose owner leaves', () => {
  test('has nothing of them any more, and its guid opens no session', async () => {
    const { access, refresh, email, id } = await registered()
    const account = await userRow(id)
    await signedIn(email)
    await insertPlace(env.DB, { id, guid: '', email, group: 'user' }, 'asn:64500', { createdAt: T0, expiresAt: T0 + 9 })
    await forgot(email)
    await register(email)
    at(10)
    const left = await leave(access)
    expect({ ...(await answer(left)), headers: {} }).toEqual({ ...DONE, headers: {} })
    expect(left.headers.getSetCookie().every((cookie) => cookie.includes('Max-Age=0'))).toBe(true)

    expect(await userRow(id)).toEqual({
      ...account,
      primary_email: null,
      password_hash: null,
      confirmed_at: null,
      is_active: 0,
      language: null,
      time_zone: null,
      left_at: T0 + 10,
      updated_at: T0 + 10,
      credentials_version: 1,
      ended_before: T0 + 10,
    })
    const dump = await dumpTables(env.DB)
    const { notifications: mails, users, ...rest } = dump
    expect(JSON.stringify(rest)).not.toContain(email)
    expect(JSON.stringify(users)).not.toContain(email)
    for (const table of ['sessions', 'allowed_places', 'seen_places', 'address_changes']) {
      expect(
        dump[table]?.filter((row) => row['user_id'] === id),
        table,
      ).toEqual([])
    }
    // The mails stay until they are sent, and the purge deletes them.
    expect(mails?.filter((row) => row['user_id'] === id).map((row) => row['kind'])).toContain('account_left')

    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)
    expect((await refreshByJson(refresh)).status).toBe(401)
    expect(
      await answer(
        await worker.call(`/${String(account?.['guid'])}`, {
          headers: { ...SERVICE, 'Tessera-Client-IP': '203.0.113.7', Accept: 'application/json' },
        }),
      ),
    ).toEqual(NO_ACCOUNT)
  })

  test('has nothing of them in any table, and what others have stays', async () => {
    const { attempts: others } = await dumpTables(env.DB)
    const { access, email, id } = await registered()
    const group = "UPDATE users SET language = 'ru', time_zone = 'Asia/Tokyo', \"group\" = 'admin' WHERE id = ?"
    // By SQL, in mixed case.
    await env.DB.batch([
      env.DB.prepare(group).bind(id),
      env.DB.prepare('UPDATE users SET primary_email = ? WHERE id = ?').bind(email.toUpperCase(), id),
    ])
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO past_sessions (sid, user_id, opened_at, last_used_at, expired_at, country, city, network, user_agent, kept_at)
         VALUES ('past', ?, 1, 1, 1, 'IS', 'Nowhere', 'Some Net', 'Some Browser', ?)`,
      ).bind(id, T0),
      env.DB.prepare("INSERT INTO events (user_id, type, at, facts) VALUES (?, 'sessions_ended', ?, '{}')").bind(
        id,
        T0,
      ),
    ])
    await register(email)
    await forgot(email)
    expect((await leave(access)).status).toBe(204)

    const dump = await dumpTables(env.DB)
    // The purge takes what is left: the mails, and the sessions that had ended before.
    const kept = Object.entries(dump).filter(([, rows]) => rows.some((row) => row['user_id'] === id))
    expect(kept.map(([table]) => table).toSorted()).toEqual(['events', 'notifications'])
    expect(dump['events']?.filter((row) => row['user_id'] === id)).toMatchObject([{ type: 'left', facts: '{}' }])
    expect(await userRow(id)).toMatchObject({ language: null, time_zone: null, group: 'user' })
    const { attempts, registrations } = await dumpTables(env.DB)
    expect(registrations?.filter((row) => row['email'] === email)).toEqual([])
    expect(attempts).toEqual(others)
  })

  test('is given nothing back by a link from before', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const { access } = await signedIn(String(account.email), PASSWORD)
    expect((await leave(access, PASSWORD)).status).toBe(204)
    for (const purpose of PURPOSES) {
      expect((await press(purpose, links[purpose])).status, purpose).toBe(401)
    }
    const { allowed_places: places } = await dumpTables(env.DB)
    expect(places?.filter((row) => row['user_id'] === account.id)).toEqual([])
  })

  test('leaves its address to whoever registers it', async () => {
    const { access, email, id } = await registered()
    await leave(access)
    const again = await registered(email)
    expect(again.id).not.toBe(id)
  })

  test('needs the password', async () => {
    const { access, email } = await registered()
    expect(await answer(await leave(access, OTHER_PASSWORD))).toEqual(wrong('password'))
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
  })

  test('cannot be had by a link from before', async () => {
    const { access, email } = await registered()
    const token = await resetLink(email)
    await leave(access)
    expect(await answer(await reset(token))).toEqual(USED)
  })
})

test('an account that only has a guid has no password to change or to leave by', async () => {
  const opened = await worker.call(`/${GUID}`)
  const access = /access_token=([^;]+)/.exec(opened.headers.getSetCookie().join(';'))?.[1] ?? ''
  expect(await answer(await changePassword(access, GOOD_PASSWORD))).toEqual(wrong('current_password'))
  expect(await answer(await leave(access))).toEqual(wrong('password'))
})

test('a mail about a password leads to no change of it: whoever has the mailbox reads the new state', async () => {
  const { email, access } = await registered()
  await changePassword(access, GOOD_PASSWORD)
  const mail = (await mailsTo(email)).at(-1)
  if (mail === undefined) throw new Error('no mail')
  expect(await answer(await reset(await tokenOf(mail, 'reset_password'), `${OTHER_PASSWORD} again`))).toEqual(USED)
  at(DAY_SECONDS)
})
