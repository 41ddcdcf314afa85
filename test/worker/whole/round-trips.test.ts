/** How often an operation asks D1, which is its price in time: one round trip takes as long as everything else together. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changeEmail,
  forgot,
  GOOD_PASSWORD,
  linkTo,
  OTHER_PASSWORD,
  pressPage,
  registered,
  reset,
  signedIn,
} from '../../support/account-life.ts'
import { createAccount, HASHES, PASSWORD } from '../../support/accounts.ts'
import { bindTo, FACTS } from '../../support/binding.ts'
import { at, DAY_SECONDS, stopClock } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { keepLog } from '../../support/log.ts'
import { admin } from '../../support/operators.ts'
import { bearer, refreshByJson, SERVICE, signInByJson, verify } from '../../support/requests.ts'
import { open, openByGuid, type OpenedByAccount } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, ORIGIN, startWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('round trips to D1', () => {
  const { database, roundTrips, reset: startCounting } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })

  async function cost(request: () => Promise<Response>): Promise<{ status: number; roundTrips: number }> {
    startCounting()
    const { status } = await request()
    return { status, roundTrips: roundTrips() }
  }

  function askOnce(path: string, json: unknown) {
    return cost(() => counted.call(path, { method: 'POST', json }))
  }

  function askAsOperator(method: string, path: string, json?: unknown) {
    return cost(() => admin(method, path, json, counted))
  }

  function pressOnce(path: string, token: string) {
    return cost(() => pressPage(path, { token }, counted))
  }

  test('0 for a verification, good or not', async () => {
    const { access, refresh: token } = await openByGuid()

    expect(await cost(() => verify(access, counted))).toEqual({ status: 200, roundTrips: 0 })
    expect(await cost(() => verify(token, counted))).toEqual({ status: 200, roundTrips: 0 })
    expect(await cost(() => verify(`${access}x`, counted))).toEqual({ status: 401, roundTrips: 0 })
  })

  test('0 for the public keys, for discovery and for the OpenAPI document', async () => {
    const discovered = ['jwks.json', 'openid-configuration', 'oauth-authorization-server']
    for (const path of [...discovered.map((name) => `/.well-known/${name}`), '/openapi.json']) {
      expect(await cost(() => counted.call(path))).toEqual({ status: 200, roundTrips: 0 })
    }
  })

  test('1 for GET /{guid}, known or new', async () => {
    const { guid } = await createAccount(env.DB)

    expect(await cost(() => counted.call(`/${guid}`))).toEqual({ status: 200, roundTrips: 1 })
    expect(await cost(() => counted.call(`/${crypto.randomUUID()}`))).toEqual({ status: 200, roundTrips: 1 })
  })

  test('1 for a refresh, in JSON and in cookies', async () => {
    const [one, two] = [await openByGuid(), await openByGuid()]
    const cookies = { access_token: two.access, refresh_token: two.refresh }

    expect(await cost(() => refreshByJson(one.refresh, {}, counted))).toEqual({ status: 200, roundTrips: 1 })
    expect(await cost(() => counted.call('/refresh', { cookies }))).toEqual({ status: 200, roundTrips: 1 })
  })

  test('2 for a sign-in by password and for one that fails, and two more for the first one of an imported account, whose hash is replaced', async () => {
    const current = await createAccount(env.DB)
    const outdated = await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 })
    const inactive = await createAccount(env.DB, { isActive: false })

    expect(await cost(() => signInByJson(current.email, PASSWORD, counted))).toEqual({ status: 200, roundTrips: 2 })
    expect(await cost(() => signInByJson(outdated.email, PASSWORD, counted))).toEqual({ status: 200, roundTrips: 4 })
    expect(await cost(() => signInByJson(outdated.email, PASSWORD, counted))).toEqual({ status: 200, roundTrips: 2 })
    const refused = { status: 401, roundTrips: 2 }
    expect(await cost(() => signInByJson(current.email, 'wrong', counted))).toEqual(refused)
    expect(await cost(() => signInByJson('nobody@example.com', 'wrong', counted))).toEqual(refused)
    expect(await cost(() => signInByJson(inactive.email, PASSWORD, counted))).toEqual(refused)
  })

  test('at most 2 for a refresh that fails, and none for a token that is not ours', async () => {
    const { guid } = await createAccount(env.DB)
    const [raced, reused, moved, inactive] = [
      await openByGuid(),
      await openByGuid(),
      await openByGuid(guid),
      await openByGuid(),
    ]
    expect((await refreshByJson(raced.refresh)).status).toBe(200)
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(inactive.guid).run()

    expect(await cost(() => refreshByJson(`${raced.refresh}x`, {}, counted))).toEqual({ status: 401, roundTrips: 0 })
    expect(await cost(() => refreshByJson(raced.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => refreshByJson(moved.refresh, { ip: ELSEWHERE }, counted))).toEqual({
      status: 401,
      roundTrips: 2,
    })
    expect(await cost(() => refreshByJson(moved.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => refreshByJson(inactive.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 2 })
    expect((await refreshByJson(reused.refresh)).status).toBe(200)
    at(11)
    expect(await cost(() => refreshByJson(reused.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 2 })
    at(10 * DAY_SECONDS)
    expect(await cost(() => refreshByJson(reused.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 0 })
  })

  test.each<[string, string, (session: OpenedByAccount) => CallOptions, { status: number; roundTrips: number }]>([
    ['POST', '/auth/token/revoke', ({ refresh }) => ({ json: { refresh } }), { status: 204, roundTrips: 1 }],
    ['POST', '/auth/token/revoke', () => ({ json: { token: 'garbage' } }), { status: 204, roundTrips: 0 }],
    [
      'POST',
      '/auth/token/introspect',
      ({ access }) => ({ json: { token: access }, headers: SERVICE }),
      { status: 200, roundTrips: 1 },
    ],
    [
      'POST',
      '/auth/token/introspect',
      () => ({ json: { token: 'garbage' }, headers: SERVICE }),
      { status: 200, roundTrips: 0 },
    ],
    ['GET', '/auth/me', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 1 }],
    ['GET', '/auth/me', () => ({ cookies: { access_token: 'x.y.z' } }), { status: 400, roundTrips: 0 }],
    [
      'DELETE',
      '/auth/session',
      ({ access }) => ({ cookies: { access_token: access } }),
      { status: 204, roundTrips: 1 },
    ],
    ['GET', '/auth/sessions', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 2 }],
    [
      'DELETE',
      '/auth/sessions',
      ({ access }) => ({ cookies: { access_token: access } }),
      { status: 204, roundTrips: 2 },
    ],
    ['GET', '/auth/places', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 2 }],
  ])('%s %s', async (method, path, optionsFor, expected) => {
    const session = await open()

    expect(await cost(() => counted.call(path, { ...optionsFor(session), method }))).toEqual(expected)
  })

  test('1 for whoever signs up, asks for a mail, or presses the button of a link that needs no password', async () => {
    const email = `${crypto.randomUUID()}@example.com`
    const accepted = { status: 202, roundTrips: 1 }
    expect(await askOnce('/auth/register', { primary_email: email, password: GOOD_PASSWORD })).toEqual(accepted)
    expect(await askOnce('/auth/confirm/resend', { primary_email: email })).toEqual(accepted)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    expect(await askOnce('/auth/confirm', { token })).toEqual({ status: 204, roundTrips: 1 })
    // The log names the account of a link that was used, which is read for that.
    expect(await askOnce('/auth/confirm', { token })).toEqual({ status: 401, roundTrips: 2 })
    expect(await askOnce('/auth/register', { primary_email: email, password: GOOD_PASSWORD })).toEqual(accepted)
    for (const primary_email of [email, 'nobody@example.com']) {
      expect(await askOnce('/auth/password/forgot', { primary_email })).toEqual(accepted)
    }
    const { access } = await signedIn(email)
    const next = `${crypto.randomUUID()}@example.com`
    await changeEmail(access, next)
    const move = await linkTo(next, 'confirm_email', 'confirm_email')
    expect(await pressOnce('/links/confirm-email', move)).toEqual({ status: 303, roundTrips: 1 })
    const undo = await linkTo(email, 'email_changed', 'undo_email')
    expect(await pressOnce('/links/undo-email', undo)).toEqual({ status: 303, roundTrips: 1 })
  })

  test('2 for a new password by a link, also where the link was used', async () => {
    const { email } = await createAccount(env.DB)
    await forgot(String(email))
    const token = await linkTo(String(email), 'reset_password', 'reset_password')
    expect(await cost(() => reset(token, OTHER_PASSWORD, counted))).toEqual({ status: 204, roundTrips: 2 })
    expect(await cost(() => reset(token, OTHER_PASSWORD, counted))).toEqual({ status: 401, roundTrips: 2 })
  })

  test('4 for what needs a session and the password: the session, the try, whether it waits, and the change; 3 for a failure', async () => {
    const { access } = await registered()
    const headers = bearer(access)
    const ask = (method: string, path: string, json: unknown) =>
      cost(() => counted.call(path, { method, json, headers }))
    const next = { password: OTHER_PASSWORD, new_email: `${crypto.randomUUID()}@example.com` }
    const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    expect(await ask('POST', '/auth/email', next)).toEqual({ status: 400, roundTrips: 3 })
    expect(await ask('POST', '/auth/password', passwords)).toEqual({ status: 204, roundTrips: 4 })
    expect(await ask('POST', '/auth/email', next)).toEqual({ status: 202, roundTrips: 4 })
    expect(await ask('DELETE', '/auth/me', { password: OTHER_PASSWORD })).toEqual({ status: 204, roundTrips: 4 })
  })

  test('1 for what an operator reads or ends, 2 for a change and a deletion, and for an account that there is', async () => {
    const guid = crypto.randomUUID()
    expect(await askAsOperator('POST', '/users', { guid })).toEqual({ status: 201, roundTrips: 1 })
    expect(await askAsOperator('POST', '/users', { guid })).toEqual({ status: 409, roundTrips: 2 })
    const { sid } = await openByGuid(guid)
    for (const path of ['/users', '/users?search=a&left=true', `/users?email=a@b.cd`, `/users/${guid}`]) {
      expect(await askAsOperator('GET', path)).toEqual({ status: 200, roundTrips: 1 })
    }
    expect(await askAsOperator('GET', `/users/${guid}/sessions`)).toEqual({ status: 200, roundTrips: 1 })
    expect(await askAsOperator('DELETE', `/users/${guid}/sessions/${sid}`)).toEqual({ status: 204, roundTrips: 1 })
    expect(await askAsOperator('DELETE', `/users/${guid}/sessions`)).toEqual({ status: 204, roundTrips: 1 })
    const change = { group: 'editors', active: false, password: GOOD_PASSWORD }
    expect(await askAsOperator('PATCH', `/users/${guid}`, change)).toEqual({ status: 200, roundTrips: 2 })
    expect(await askAsOperator('PATCH', `/users/${guid}`, { group: 'editors' })).toEqual({ status: 200, roundTrips: 1 })
    expect(await askAsOperator('PATCH', `/users/${guid}`, { nonsense: 1 })).toEqual({ status: 400, roundTrips: 0 })
    expect(await askAsOperator('DELETE', `/users/${guid}`)).toEqual({ status: 204, roundTrips: 2 })
    expect(await askAsOperator('DELETE', `/users/${guid}`)).toEqual({ status: 404, roundTrips: 1 })
  })

  test('as many for a call of another Worker as for its request', async () => {
    const counting = countRoundTrips(env.DB)
    const tessera = bindTo(startWorker({ DB: counting.database, PUBLIC_URL: ORIGIN }))
    const costOf = async (call: () => Promise<{ readonly ok: boolean }>) => {
      counting.reset()
      const { ok } = await call()
      return { ok, roundTrips: counting.roundTrips() }
    }
    const guid = crypto.randomUUID()
    expect(await costOf(() => tessera.issue(guid, FACTS))).toEqual({ ok: true, roundTrips: 1 })
    const [one, two] = [await openByGuid(guid), await openByGuid(guid)]
    expect(await costOf(() => tessera.keys())).toEqual({ ok: true, roundTrips: 0 })
    expect(await costOf(() => tessera.verify(one.access))).toEqual({ ok: true, roundTrips: 0 })
    expect(await costOf(() => tessera.verify('no token'))).toEqual({ ok: false, roundTrips: 0 })
    expect(await costOf(() => tessera.introspect(one.access))).toEqual({ ok: true, roundTrips: 1 })
    expect(await costOf(() => tessera.introspect('no token'))).toEqual({ ok: true, roundTrips: 0 })
    expect(await costOf(() => tessera.refresh(one, FACTS))).toEqual({ ok: true, roundTrips: 1 })
    expect(await costOf(() => tessera.refresh({ refresh: two.refresh }, FACTS))).toEqual({ ok: true, roundTrips: 1 })
    expect(await costOf(() => tessera.revokeUser(guid))).toEqual({ ok: true, roundTrips: 1 })
  })

  test('2 for POST /auth/session', async () => {
    const { email } = await createAccount(env.DB)
    const options = { method: 'POST', json: { primary_email: email, password: PASSWORD } }

    expect(await cost(() => counted.call('/auth/session', options))).toEqual({ status: 200, roundTrips: 2 })
  })
})
