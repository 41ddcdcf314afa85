/** The log: what happens to accounts and sessions is a line each, which names whose it is, and never their address. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changeEmail,
  changePassword,
  confirm,
  forgot,
  GOOD_PASSWORD,
  leave,
  linkTo,
  moveAddress,
  pressPage,
  register,
  registered,
  reset,
  signedIn,
} from '../../support/account-life.ts'
import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { at, stopClock } from '../../support/clock.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { claimsOf } from '../../support/forge.ts'
import { block, press } from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, post, refreshByJson, renew, SERVICE, signInByJson } from '../../support/requests.ts'
import { remove } from '../../support/short-answers.ts'
import { open, openByGuid, type OpenedByAccount } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, pairOf, startWorker, type TestWorker, worker } from '../../support/worker.ts'

const logged = keepLog('warn')
stopClock()

/** The lines since the last look. */
function lines(): readonly unknown[] {
  const calls = logged.mock.calls.map(([event]) => event)
  logged.mockClear()
  return calls
}

async function guidOf(email: string): Promise<string> {
  const row = await env.DB.prepare('SELECT guid FROM users WHERE primary_email = ?')
    .bind(email)
    .first<{ guid: string }>()
  return row?.guid ?? ''
}

describe('a sign-in', () => {
  test('by a guid that nobody knew registers it, and by one that is known does not', async () => {
    const { guid, sid } = await openByGuid()
    expect(lines()).toEqual([
      { event: 'registered', guid, reason: 'guid' },
      { event: 'signed_in', guid, sid, reason: 'guid' },
    ])
    const again = await openByGuid(guid)
    expect(lines()).toEqual([{ event: 'signed_in', guid, sid: again.sid, reason: 'guid' }])
  })

  test('by a ticket says so', async () => {
    const { guid } = await createAccount(env.DB)
    const ordered = await post('/auth/tickets', { guid }, { headers: SERVICE })
    const { pathname, search } = new URL((await ordered.json<{ url: string }>()).url)
    const { sid } = claimsOf(pairOf(await worker.call(`${pathname}${search}`)).refresh_token)
    expect(lines()).toEqual([{ event: 'signed_in', guid, sid, reason: 'ticket' }])
  })

  test('by the password says so, and each one that failed names the account, where there is one', async () => {
    const { guid, email } = await createAccount(env.DB)
    const { access } = await signedIn(email ?? '', PASSWORD)
    expect(lines()).toEqual([{ event: 'signed_in', guid, sid: claimsOf(access)['sid'], reason: 'password' }])

    await signInByJson(email, 'wrong')
    await signInByJson('nobody@example.com', 'wrong')
    const refused = { event: 'refused', code: 'no_active_account', status: 401, route: '/auth/token' }
    expect(lines()).toEqual([
      { ...refused, cause: 'wrong password', guid },
      { ...refused, cause: 'unknown address' },
    ])
  })

  test('of a closed account is refused in its name', async () => {
    const { guid } = await createAccount(env.DB, { isActive: false })
    await worker.call(`/${guid}`)
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'inactive', guid }])
  })

  test('names each session that it ended: the one of its cookies, whoever had it, and the oldest of too many', async () => {
    const two = startWorker({ SESSIONS_MAX: '2' })
    const stranger = await open()
    const first = await open(undefined, {}, two)
    await open(first.account, {}, two)
    lines()

    const third = await open(first.account, { cookies: stranger.cookies }, two)
    expect(lines()).toEqual([
      { event: 'signed_in', guid: first.guid, sid: third.sid, reason: 'guid' },
      { event: 'session_ended', guid: stranger.guid, sid: stranger.sid, reason: 'replaced' },
      { event: 'session_ended', guid: first.guid, sid: first.sid, reason: 'crowded_out' },
    ])
  })
})

describe('the end of a session', () => {
  const ends: readonly (readonly [string, (session: OpenedByAccount) => Promise<unknown>])[] = [
    ['signed_out', ({ cookies }) => worker.call('/auth/session', { method: 'DELETE', cookies })],
    ['revoked', ({ refresh }) => post('/auth/token/revoke', { token: refresh })],
    [
      'revoked',
      async ({ account, sid }) => {
        const { access } = await open(account)
        logged.mockClear()
        await remove(`/auth/sessions/${sid}`, access)
      },
    ],
  ]

  test.each(ends)('is a line: %s; and a second end of the same session is none', async (reason, end) => {
    const session = await open()
    const { guid, sid } = session
    logged.mockClear()
    await end(session)
    expect(lines()).toEqual([{ event: 'session_ended', guid, sid, reason }])
    await worker.call('/auth/session', { method: 'DELETE', cookies: session.cookies })
    await post('/auth/token/revoke', { token: session.refresh })
    expect(lines()).toEqual([])
  })

  test('by the pages of sessions is the same line, and for one that is gone none', async () => {
    const other = await open()
    const { guid, sid, access, cookies } = await open(other.account)
    const from = { method: 'POST', cookies, headers: { 'Sec-Fetch-Site': 'same-origin' } }
    const submit = (fields: Readonly<Record<string, string>>) =>
      worker.call('/account/sessions', { ...from, body: new URLSearchParams(fields) })
    logged.mockClear()
    expect((await submit({ end: other.sid })).status).toBe(303)
    expect(lines()).toEqual([{ event: 'session_ended', guid, sid: other.sid, reason: 'revoked' }])
    expect((await submit({ end: other.sid })).status).toBe(303)
    expect(lines()).toEqual([])
    expect((await submit({ others: '1' })).status).toBe(303)
    expect(lines()).toEqual([{ event: 'sessions_ended', guid, reason: 'owner' }])
    expect(claimsOf(access)['sid']).toBe(sid)
  })

  test('that a refresh brings about is one, beside what it shows, once', async () => {
    const moved = await open()
    const of = { guid: moved.guid, sid: moved.sid }
    logged.mockClear()
    const refused = { event: 'refused', status: 401, ...of, route: '/auth/token/refresh' }
    await refreshByJson(moved.refresh, { ip: ELSEWHERE })
    expect(lines()).toEqual([
      { event: 'session_blocked', ...of },
      { event: 'session_ended', ...of, reason: 'location' },
      { ...refused, code: 'location_blocked', cause: 'moved' },
    ])
    await refreshByJson(moved.refresh, { ip: ELSEWHERE })
    expect(lines()).toEqual([{ ...refused, code: 'token_used', cause: 'ended' }])
  })

  test('of a token that was used before is told once, and refused each time', async () => {
    const { guid, sid, access, refresh } = await open()
    await renew({ access, refresh })
    at(11)
    logged.mockClear()
    const of = { guid, sid }
    const refused = {
      event: 'refused',
      code: 'token_used',
      status: 401,
      cause: 'reused',
      ...of,
      route: '/auth/token/refresh',
    }
    await refreshByJson(refresh)
    expect(lines()).toEqual([
      { event: 'token_reused', ...of },
      { event: 'session_ended', ...of, reason: 'reuse' },
      refused,
    ])
    await refreshByJson(refresh)
    expect(lines()).toEqual([refused])
  })

  test('of a closed account shows at its refresh', async () => {
    const { guid, sid, refresh, account } = await open()
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
    logged.mockClear()
    await refreshByJson(refresh)
    expect(lines()).toMatchObject([
      { event: 'session_ended', guid, sid, reason: 'inactive' },
      { event: 'refused', cause: 'inactive', guid, sid },
    ])
  })

  test('of all but one, by the owner', async () => {
    const { guid, access } = await open()
    logged.mockClear()
    await remove('/auth/sessions', access)
    expect(lines()).toEqual([{ event: 'sessions_ended', guid, reason: 'owner' }])
  })

  test('of all, by the link of a mail, once', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    logged.mockClear()
    await press('end_sessions', links.end_sessions)
    expect(lines()).toEqual([{ event: 'sessions_ended', guid: account.guid, reason: 'link' }])
    await press('end_sessions', links.end_sessions)
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'link', guid: account.guid }])
  })
})

describe('a refusal', () => {
  const asked: readonly (readonly [string, (session: OpenedByAccount) => Promise<unknown>])[] = [
    ['out of its time', ({ cookies }) => (at(300), worker.call('/auth/me', { cookies }))],
    ['out of its time', ({ access }) => (at(300), post('/auth/token/verify', { token: access }))],
    ['moved', ({ cookies }) => worker.call('/auth/sessions', { cookies, ip: ELSEWHERE })],
    [
      'ended',
      async ({ cookies }) => {
        await worker.call('/auth/session', { method: 'DELETE', cookies })
        logged.mockClear()
        return worker.call('/auth/me', { cookies })
      },
    ],
  ]

  test.each(asked)('of a token of ours says whose: %s', async (cause, ask) => {
    const session = await open()
    logged.mockClear()
    await ask(session)
    expect(lines()).toMatchObject([{ event: 'refused', cause, guid: session.guid, sid: session.sid }])
  })

  test('of a pair that was not issued together says whose the refresh token is', async () => {
    const [one, other] = [await open(), await open()]
    logged.mockClear()
    await worker.call('/refresh', { cookies: { ...one.cookies, access_token: other.access } })
    const of = { guid: one.guid, sid: one.sid }
    expect(lines()).toEqual([
      { event: 'refused', code: 'token_pair_not_valid', status: 401, cause: 'pair', ...of, route: '/refresh' },
    ])
    // Nothing is known of whoever brings no token.
    await worker.call('/refresh', { cookies: { access_token: one.access } })
    expect(lines()).toEqual([])
  })

  test.each([
    ['a refresh', 'before', ({ refresh }: OpenedByAccount, by: TestWorker) => refreshByJson(refresh, {}, by)],
    [
      'the end that a refresh brings about',
      'second',
      ({ refresh }: OpenedByAccount, by: TestWorker) => refreshByJson(refresh, { ip: ELSEWHERE }, by),
    ],
    [
      'whose token it is',
      'before',
      ({ access }: OpenedByAccount, by: TestWorker) => by.call('/auth/me', { headers: bearer(access) }),
    ],
    [
      'the sessions of a token',
      'before',
      ({ access }: OpenedByAccount, by: TestWorker) => by.call('/auth/sessions', { headers: bearer(access) }),
    ],
  ] as const)('since D1 failed at %s says whose the token is', async (_name, when, ask) => {
    const session = await open()
    const d1 = faultyDatabase(env.DB)
    const by = startWorker({ DB: d1.database })
    d1.fail(...(when === 'second' ? [null] : []), ...Array.from({ length: 9 }, () => 'before' as const))
    logged.mockClear()
    expect((await ask(session, by)).status).toBe(503)
    expect(lines()).toMatchObject([{ event: 'refused', status: 503, guid: session.guid, sid: session.sid }])
  })

  test('of a link says whose mail it was in: used, for something else, or for another place', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    logged.mockClear()
    await pressPage('/links/allow-place', { token: links.allow_place, policy: 'country' })
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'place', guid: account.guid }])
    await pressPage('/links/end-sessions', { token: links.allow_place })
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'purpose', guid: account.guid }])
    await press('end_sessions', links.end_sessions)
    lines()
    for (const path of ['end-sessions', 'allow-place'] as const) {
      const token = path === 'end-sessions' ? links.end_sessions : links.allow_place
      await worker.call(`/links/${path}?${new URLSearchParams({ token }).toString()}`)
      expect(lines()).toMatchObject([{ event: 'refused', cause: 'link', guid: account.guid }])
    }
  })

  test('of a token that is not ours believes nothing of it', async () => {
    const { access } = await open()
    logged.mockClear()
    await worker.call('/auth/me', { headers: bearer(`${access.slice(0, -8)}AAAAAAAA`) })
    const [line] = lines()
    expect(line).toMatchObject({ event: 'refused', cause: 'signature' })
    expect(line).not.toHaveProperty('guid')
    expect(line).not.toHaveProperty('sid')
  })
})

describe('an account', () => {
  test('that is registered, changed and left has a line for each', async () => {
    const [email, other] = [`${crypto.randomUUID()}@example.com`, `${crypto.randomUUID()}@example.com`]
    await register(email)
    expect(lines()).toEqual([])
    await confirm(await linkTo(email, 'confirm_address', 'confirm'))
    const guid = await guidOf(email)
    expect(lines()).toEqual([{ event: 'registered', guid, reason: 'confirmed' }])

    const session = await signedIn(email)
    lines()
    await changePassword(session.access, GOOD_PASSWORD)
    expect(lines()).toEqual([{ event: 'password_changed', guid, reason: 'changed' }])
    await forgot(email)
    await reset(await linkTo(email, 'reset_password', 'reset_password'), GOOD_PASSWORD)
    expect(lines()).toEqual([{ event: 'password_changed', guid, reason: 'reset' }])

    const { access } = await signedIn(email)
    lines()
    const undo = await moveAddress(access, email, other)
    expect(lines()).toEqual([{ event: 'email_changed', guid, reason: 'confirmed' }])
    await pressPage('/links/undo-email', { token: undo })
    expect(lines()).toEqual([{ event: 'email_changed', guid, reason: 'undone' }])
    await pressPage('/links/undo-email', { token: undo })
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'link' }])
  })

  test('whose address is confirmed by a new password says that, too, and only the first time', async () => {
    const account = await createAccount(env.DB, { confirmedAt: null })
    const email = String(account.email)
    const { guid } = account
    const changed = { event: 'password_changed', guid, reason: 'reset' }
    await forgot(email)
    await reset(await linkTo(email, 'reset_password', 'reset_password'))
    expect(lines()).toEqual([{ event: 'confirmed', guid }, changed])
    await forgot(email)
    await reset(await linkTo(email, 'reset_password', 'reset_password'), GOOD_PASSWORD)
    expect(lines()).toEqual([changed])
  })

  test('whose owner left says so, once', async () => {
    const { email, access } = await registered()
    const guid = await guidOf(email)
    lines()
    await leave(access)
    expect(lines()).toEqual([{ event: 'left', guid, reason: 'owner' }])
    await leave(access)
    expect(lines()).toMatchObject([{ event: 'refused', guid, sid: claimsOf(access)['sid'] }])
  })

  test('whose password is asked for once more is named where it was wrong', async () => {
    const { email, access } = await registered()
    const guid = await guidOf(email)
    lines()
    await changeEmail(access, 'other@example.com', 'wrong')
    expect(lines()).toMatchObject([{ event: 'refused', cause: 'wrong password', guid }])
  })
})

test('each line of a request names it by its ray, and no line has an address', async () => {
  const { email } = await registered()
  const options: CallOptions = { headers: { 'CF-Ray': '8a1b2c3d4e5f-VIE' }, method: 'POST' }
  const all = logged.mock.calls.map(([event]) => event)
  lines()
  const response = await worker.call('/auth/token', {
    ...options,
    json: { primary_email: email, password: GOOD_PASSWORD },
  })
  const { refresh } = await response.json<{ refresh: string }>()
  await worker.call('/auth/token/refresh', { ...options, json: { refresh }, ip: ELSEWHERE })
  const told = lines()
  expect(told).toMatchObject(
    ['signed_in', 'session_blocked', 'session_ended', 'refused'].map((event) => ({ event, ray: '8a1b2c3d4e5f-VIE' })),
  )
  expect(JSON.stringify([...all, ...told])).not.toContain('@')
})
