/** Every event, by the request that makes it: as its message, which is of the shape that docs/events.md promises, and in the order of what happened. */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { EVENT_REASONS, EVENT_TYPES } from '../../../src/domain/events/event.ts'
import { EventMessage } from '../../../src/domain/events/event-message.ts'
import {
  confirm,
  forgot,
  GOOD_PASSWORD,
  linkTo,
  OTHER_PASSWORD,
  pressPage,
  register,
  registered,
  reset,
} from '../../support/account-life.ts'
import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { startFollowed, told } from '../../support/followed-worker.ts'
import { claimsOf } from '../../support/forge.ts'
import { addUser, admin, changeUser } from '../../support/operators.ts'
import { bearer, onBehalfOf, post, refreshByCookies, SERVICE, signInByJson } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE, HOME, pairOf } from '../../support/worker.ts'

const FAR = { asn: 64_511, country: 'NZ' as const, city: 'Nelson', asOrganization: 'Far Net' }
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const AT_HOME = { ip: HOME, asn: null, country: null, city: null, user_agent: null }

const follower = startFollowed()
const seen = new Set<string>()
const texts: string[] = []

stopClock()
beforeEach(() => {
  vi.spyOn(console, 'warn').mockReturnValue()
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** What was told of an account since the last time, in its order; every message names the one before it. */
function takeTold(guid: string) {
  const messages = follower.messages().filter((message) => message.guid === guid)
  for (const [i, message] of messages.entries()) {
    // It is of the shape that its type has, and has nothing else.
    expect(EventMessage.parse(message)).toStrictEqual(message)
    if (i > 0) expect(message.previous).toBe(messages[i - 1]?.id)
    texts.push(JSON.stringify(message))
    seen.add('reason' in message ? `${message.type} ${message.reason}` : message.type)
  }
  follower.events.batches.length = 0
  return messages.map(told)
}

function sidOf(token: string): string {
  return String(claimsOf(token)['sid'])
}

function countEvents() {
  return env.DB.prepare('SELECT count(*) AS n FROM events').first('n')
}

async function userOf(email: string): Promise<{ guid: string; user_id: number }> {
  const row = await env.DB.prepare('SELECT guid, id AS user_id FROM users WHERE primary_email = ?')
    .bind(email)
    .first<{ guid: string; user_id: number }>()
  if (row === null) throw new Error(`no ${email}`)
  return row
}

describe('a session', () => {
  test('is told when a guid opens it, and so is the account that was new with it', async () => {
    const { guid, sid } = await openByGuid(undefined, { cf: FAR, headers: { 'User-Agent': FIREFOX } }, follower)
    const user_id = Number(await env.DB.prepare('SELECT id FROM users WHERE guid = ?').bind(guid).first('id'))
    const common = { at: T0, guid, user_id }
    const client = { ip: HOME, asn: 64_511, country: 'NZ', city: 'Nelson', user_agent: FIREFOX }
    expect(takeTold(guid)).toEqual([
      { type: 'registered', reason: 'guid', group: 'user', ...common },
      { type: 'signed_in', reason: 'guid', sid, client, ...common },
    ])

    const again = await openByGuid(guid, {}, follower)
    expect(takeTold(guid)).toEqual([{ type: 'signed_in', reason: 'guid', sid: again.sid, client: AT_HOME, ...common }])
  })

  test('is told when a ticket opens it; the same ticket a second time opens nothing, and is not', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const { url } = await (
      await post('/auth/tickets', { guid }, { headers: onBehalfOf(HOME) }, follower)
    ).json<{ url: string }>()
    const path = url.slice(new URL(url).origin.length)
    const sid = sidOf(pairOf(await follower.call(path)).access_token)
    expect((await follower.call(path)).status).toBe(401)
    expect(takeTold(guid)).toEqual([
      { type: 'signed_in', reason: 'ticket', sid, client: AT_HOME, at: T0, guid, user_id },
    ])
  })

  test('is told when a password opens it, and nothing of a wrong one', async () => {
    const { guid, email, id: user_id } = await createAccount(env.DB)
    expect((await signInByJson(email, 'wrong', follower)).status).toBe(401)
    const { access } = await (await signInByJson(email, PASSWORD, follower)).json<{ access: string }>()
    expect(takeTold(guid)).toEqual([
      { type: 'signed_in', reason: 'password', sid: sidOf(access), client: AT_HOME, at: T0, guid, user_id },
    ])
  })

  test('is told when its browser signs in again, or out; once', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const common = { at: T0, guid, user_id }
    const first = await openByGuid(guid, {}, follower)
    const second = await openByGuid(guid, { cookies: { access_token: first.access } }, follower)
    expect(takeTold(guid).slice(1)).toEqual([
      { type: 'session_ended', reason: 'replaced', sid: first.sid, ...common },
      { type: 'signed_in', reason: 'guid', sid: second.sid, client: AT_HOME, ...common },
    ])
    for (let i = 0; i < 2; i += 1) {
      const cookies = { access_token: second.access }
      expect((await follower.call('/auth/session', { method: 'DELETE', cookies })).status).toBe(204)
    }
    expect(takeTold(guid)).toEqual([{ type: 'session_ended', reason: 'signed_out', sid: second.sid, ...common }])
  })

  test('is told when its token is revoked, its owner ends it, or an operator does', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const [kept, revoked, owned, operated] = [
      await openByGuid(guid, {}, follower),
      await openByGuid(guid, {}, follower),
      await openByGuid(guid, {}, follower),
      await openByGuid(guid, {}, follower),
    ]
    takeTold(guid)
    await post('/auth/token/revoke', { token: revoked.refresh }, {}, follower)
    const own = { method: 'DELETE', headers: bearer(kept.access) }
    expect((await follower.call(`/auth/sessions/${owned.sid}`, own)).status).toBe(204)
    expect((await follower.call(`/auth/sessions/${owned.sid}`, own)).status).toBe(404)
    expect((await admin('DELETE', `/users/${guid}/sessions/${operated.sid}`, undefined, follower)).status).toBe(204)
    const ended = { type: 'session_ended', at: T0, guid, user_id }
    expect(takeTold(guid)).toEqual([
      { ...ended, reason: 'revoked', sid: revoked.sid },
      { ...ended, reason: 'revoked', sid: owned.sid },
      { ...ended, reason: 'operator', sid: operated.sid },
    ])
  })

  test('is told when one more than SESSIONS_MAX crowds it out: of several, each', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const opened = []
    for (let i = 0; i < 3; i += 1) {
      at(i)
      opened.push(await openByGuid(guid, {}, follower))
    }
    takeTold(guid)
    at(3)
    const narrow = startFollowed({ SESSIONS_MAX: '1' }, follower.events)
    const last = await openByGuid(guid, {}, narrow)
    const messages = takeTold(guid)
    const ended = { type: 'session_ended', reason: 'crowded_out', at: T0 + 3, guid, user_id }
    expect(messages).toHaveLength(4)
    expect(messages).toEqual(expect.arrayContaining(opened.map(({ sid }) => ({ ...ended, sid }))))
    expect(messages.at(-1)).toMatchObject({ type: 'signed_in', sid: last.sid })
  })

  test('that is refreshed from another place is told to be blocked, by whom, and ended', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid, {}, follower)
    takeTold(guid)
    const elsewhere = { ip: ELSEWHERE, cf: FAR, headers: { 'User-Agent': FIREFOX } }
    for (let i = 0; i < 2; i += 1) expect((await refreshByCookies(cookies, elsewhere, follower)).status).toBe(401)
    const client = { ip: ELSEWHERE, asn: 64_511, country: 'NZ', city: 'Nelson', user_agent: FIREFOX }
    expect(takeTold(guid)).toEqual([
      { type: 'session_blocked', sid, client, at: T0, guid, user_id },
      { type: 'session_ended', reason: 'location', sid, at: T0, guid, user_id },
    ])
  })

  test('whose used token comes back is told, with who brought it, and ended; once', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid, {}, follower)
    pairOf(await refreshByCookies(cookies, {}, follower))
    takeTold(guid)
    at(60)
    for (let i = 0; i < 3; i += 1)
      expect((await refreshByCookies(cookies, { ip: ELSEWHERE }, follower)).status).toBe(401)
    expect(takeTold(guid)).toEqual([
      { type: 'token_reused', sid, client: { ...AT_HOME, ip: ELSEWHERE }, at: T0 + 60, guid, user_id },
      { type: 'session_ended', reason: 'reuse', sid, at: T0 + 60, guid, user_id },
    ])
  })

  test('that had ended before its used token came back is not told to end again', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid, {}, follower)
    const next = pairOf(await refreshByCookies(cookies, {}, follower))
    await follower.call('/auth/session', { method: 'DELETE', cookies: next })
    takeTold(guid)
    at(60)
    for (let i = 0; i < 3; i += 1) expect((await refreshByCookies(cookies, {}, follower)).status).toBe(401)
    expect(takeTold(guid)).toEqual([{ type: 'token_reused', sid, client: AT_HOME, at: T0 + 60, guid, user_id }])
  })

  test('that a refresh finds with a closed account is told to end', async () => {
    const { guid, id: user_id } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid, {}, follower)
    takeTold(guid)
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(user_id).run()
    expect((await refreshByCookies(cookies, {}, follower)).status).toBe(401)
    expect(takeTold(guid)).toEqual([{ type: 'session_ended', reason: 'inactive', sid, at: T0, guid, user_id }])
  })

  test('that is over already is not told to end: expired, or ended with the others', async () => {
    const { guid } = await createAccount(env.DB)
    const [one, other] = [await openByGuid(guid, {}, follower), await openByGuid(guid, {}, follower)]
    await follower.call('/auth/sessions', { method: 'DELETE', headers: bearer(one.access) })
    takeTold(guid)
    await follower.call('/auth/session', { method: 'DELETE', cookies: other.cookies })
    at(10 * 86_400)
    await follower.call('/auth/session', { method: 'DELETE', cookies: one.cookies })
    expect(takeTold(guid)).toEqual([])
  })

  test('is told nothing of where it is refreshed, verified and shown', async () => {
    const { guid } = await createAccount(env.DB)
    const { cookies, access } = await openByGuid(guid, {}, follower)
    takeTold(guid)
    const before = await countEvents()
    pairOf(await refreshByCookies(cookies, {}, follower))
    await post('/auth/token/verify', { token: access }, {}, follower)
    await post('/auth/token/introspect', { token: access }, { headers: SERVICE }, follower)
    await follower.call('/auth/me', { headers: bearer(access) })
    expect(takeTold(guid)).toEqual([])
    expect(await countEvents()).toBe(before)
  })
})

describe('an account', () => {
  test('is told when its owner has confirmed it, and not before', async () => {
    const email = `${crypto.randomUUID()}@example.com`
    await register(email, GOOD_PASSWORD, {}, follower)
    expect(follower.messages()).toEqual([])
    const token = await linkTo(email, 'confirm_address', 'confirm')
    for (let i = 0; i < 2; i += 1) await confirm(token, follower)
    const user = await userOf(email)
    expect(takeTold(user.guid)).toEqual([{ type: 'registered', reason: 'confirmed', group: 'user', at: T0, ...user }])
  })

  test('is told its other password, and which session lived on', async () => {
    const { email, access } = await registered(undefined, follower)
    const user = await userOf(email)
    takeTold(user.guid)
    const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    expect((await post('/auth/password', passwords, { headers: bearer(access) }, follower)).status).toBe(204)
    expect(takeTold(user.guid)).toEqual([
      { type: 'password_changed', reason: 'changed', ended_except: sidOf(access), at: T0, ...user },
    ])
    await forgot(email, {}, follower)
    const token = await linkTo(email, 'reset_password', 'reset_password')
    for (let i = 0; i < 2; i += 1) await reset(token, GOOD_PASSWORD, follower)
    expect(takeTold(user.guid)).toEqual([
      { type: 'password_changed', reason: 'reset', ended_except: null, at: T0, ...user },
    ])
  })

  test('is told to be confirmed by the first new password of an address that nobody had confirmed', async () => {
    const { email, guid, id: user_id } = await createAccount(env.DB, { confirmedAt: null })
    await forgot(email ?? '', {}, follower)
    await reset(await linkTo(email ?? '', 'reset_password', 'reset_password'), GOOD_PASSWORD, follower)
    expect(takeTold(guid)).toEqual([
      { type: 'confirmed', at: T0, guid, user_id },
      { type: 'password_changed', reason: 'reset', ended_except: null, at: T0, guid, user_id },
    ])
  })

  test('is told its other address without saying it, and when the former one takes that back', async () => {
    const { email, access } = await registered(undefined, follower)
    const user = await userOf(email)
    takeTold(user.guid)
    const next = `next.${email}`
    await post('/auth/email', { password: GOOD_PASSWORD, new_email: next }, { headers: bearer(access) }, follower)
    expect(takeTold(user.guid)).toEqual([])
    const move = { token: await linkTo(next, 'confirm_email', 'confirm_email') }
    for (let i = 0; i < 2; i += 1) await pressPage('/links/confirm-email', move, follower)
    expect(takeTold(user.guid)).toEqual([{ type: 'email_changed', reason: 'confirmed', at: T0, ...user }])
    const undo = { token: await linkTo(email, 'email_changed', 'undo_email') }
    for (let i = 0; i < 2; i += 1) await pressPage('/links/undo-email', undo, follower)
    expect(takeTold(user.guid)).toEqual([
      { type: 'email_changed', reason: 'undone', ended_except: null, at: T0, ...user },
    ])
  })

  test('is told when its owner ends all sessions but one, or all by the link of a mail; that once', async () => {
    const { email, guid, id: user_id } = await createAccount(env.DB)
    const { sid, access, cookies } = await openByGuid(guid, {}, follower)
    takeTold(guid)
    expect((await follower.call('/auth/sessions', { method: 'DELETE', headers: bearer(access) })).status).toBe(204)
    expect(takeTold(guid)).toEqual([
      { type: 'sessions_ended', reason: 'owner', ended_except: sid, at: T0, guid, user_id },
    ])
    await refreshByCookies(cookies, { ip: ELSEWHERE }, follower)
    takeTold(guid)
    const token = await linkTo(email ?? '', 'location_blocked', 'end_sessions')
    for (let i = 0; i < 2; i += 1) await pressPage('/links/end-sessions', { token }, follower)
    expect(takeTold(guid)).toEqual([
      { type: 'sessions_ended', reason: 'link', ended_except: null, at: T0, guid, user_id },
    ])
  })

  test('is told what operators do to it', async () => {
    const { guid, user_id } = await addUser({ group: 'editors', confirmed: false }, follower)
    const common = { at: T0, guid, user_id }
    expect(takeTold(guid)).toEqual([{ type: 'registered', reason: 'operator', group: 'editors', ...common }])
    await changeUser(guid, { confirmed: true, group: 'user' }, follower)
    await changeUser(guid, { password: GOOD_PASSWORD }, follower)
    await changeUser(guid, { primary_email: `${crypto.randomUUID()}@example.com` }, follower)
    await changeUser(guid, { active: false }, follower)
    await changeUser(guid, { active: true }, follower)
    await admin('DELETE', `/users/${guid}/sessions`, undefined, follower)
    expect(takeTold(guid)).toEqual([
      { type: 'confirmed', ...common },
      { type: 'account_changed', fields: ['group', 'confirmed'], ...common },
      { type: 'password_changed', reason: 'operator', ended_except: null, ...common },
      { type: 'email_changed', reason: 'operator', ended_except: null, ...common },
      { type: 'deactivated', ended_except: null, ...common },
      { type: 'activated', ended_except: null, ...common },
      { type: 'sessions_ended', reason: 'operator', ended_except: null, ...common },
    ])
    expect((await admin('DELETE', `/users/${guid}`, undefined, follower)).status).toBe(204)
    expect(takeTold(guid)).toEqual([{ type: 'left', reason: 'operator', ended_except: null, ...common }])
  })

  test('is told when an operator ends the sessions of everybody, after the answer, where it had one', async () => {
    const [one, other] = [await createAccount(env.DB), await createAccount(env.DB)]
    await openByGuid(one.guid, {}, follower)
    takeTold(one.guid)
    expect((await admin('DELETE', '/sessions', undefined, follower)).status).toBe(200)
    expect(follower.messages().filter(({ guid }) => guid === other.guid)).toEqual([])
    expect(takeTold(one.guid)).toEqual([
      { type: 'sessions_ended', reason: 'operator', ended_except: null, at: T0, guid: one.guid, user_id: one.id },
    ])
  })

  test('is told when an operator brings it along, with as many others as one request may', async () => {
    const lines = Array.from({ length: 150 }, (_, i) => JSON.stringify({ external_id: `${crypto.randomUUID()}-${i}` }))
    const response = await follower.call('/admin/users/import', {
      method: 'POST',
      headers: { ...SERVICE, 'Content-Type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    const { results } = await response.json<{ results: readonly { guid: string }[] }>()
    expect(follower.events.batches.map((batch) => batch.length)).toEqual([100, 50])
    expect(new Set(follower.messages().map(({ guid }) => guid))).toEqual(new Set(results.map(({ guid }) => guid)))
    const [{ guid } = { guid: '' }] = results
    expect(takeTold(guid)).toMatchObject([{ type: 'registered', reason: 'imported', group: 'user', at: T0 }])
  })

  test('is told when its owner leaves', async () => {
    const { email, access } = await registered(undefined, follower)
    const user = await userOf(email)
    takeTold(user.guid)
    const left = await follower.call('/auth/me', {
      method: 'DELETE',
      json: { password: GOOD_PASSWORD },
      headers: bearer(access),
    })
    expect(left.status).toBe(204)
    expect(takeTold(user.guid)).toEqual([{ type: 'left', reason: 'owner', ended_except: null, at: T0, ...user }])
  })
})

test('these are all events that there are, by every reason', () => {
  const all = Object.keys(EVENT_TYPES).flatMap((type) => {
    const reasons = Object.entries(EVENT_REASONS).find(([one]) => one === type)?.[1]
    return reasons === undefined ? [type] : Object.keys(reasons).map((reason) => `${type} ${reason}`)
  })
  expect([...seen].toSorted()).toEqual(all.toSorted())
})

test('none of them has a token, a password, a hash or an address of a mailbox', () => {
  expect(texts.length).toBeGreaterThan(40)
  const secrets = [/eyJ/, /@/, /\$argon2/, ...[PASSWORD, GOOD_PASSWORD, OTHER_PASSWORD].map((text) => new RegExp(text))]
  for (const secret of secrets) expect(texts.filter((text) => secret.test(text))).toEqual([])
})
