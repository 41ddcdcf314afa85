/**
 * The client that a back end names: it becomes the place of the session, the entry in its owner's list, and what a mail tells. Only the
 * service key makes it count.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { GOOD_PASSWORD } from '../../support/account-life.ts'
import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { answer, BLOCKED, DONE, FORBIDDEN, NOT_AUTHENTICATED, problem } from '../../support/answers.ts'
import { stopClock } from '../../support/clock.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, callWithoutTrace, onBehalfOf, refreshByCookies, refreshByJson } from '../../support/requests.ts'
import { endOf, LIVE, notificationsFor, open, openByGuid, sessionRow, type Tokens } from '../../support/sessions.ts'
import {
  TEXT_BLOCKED,
  TEXT_FORBIDDEN,
  TEXT_GRANTED,
  TEXT_USED,
  textAnswer,
  textRefusal,
} from '../../support/text-answers.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  pairOf,
  startWorker,
  type TestWorker,
  worker,
} from '../../support/worker.ts'

stopClock()
keepLog('warn')

/** Where the back end itself is. */
const SERVER = '192.0.2.80'
const deployed = startWorker({ ISSUE_ACCESS: 'service' })

const NAMED = {
  'Tessera-Client-Country': 'AT',
  'Tessera-Client-ASN': '64500',
  'Tessera-Client-City': 'Graz',
  'Tessera-Client-User-Agent': 'Browser/1',
}
const STORED = { ip: HOME, country: 'AT', asn: 64_500, city: 'Graz', network: null, user_agent: 'Browser/1' }

/** A request of the back end, with its own place around it, for a client at `HOME` unless other headers say so. */
function byBackEnd(
  headers: Readonly<Record<string, string>> = onBehalfOf(HOME, NAMED),
): CallOptions & { headers: object } {
  const cf = { asn: 64_999, country: 'US', city: 'Ashburn', asOrganization: 'Cloud' } as const
  return { ip: SERVER, cf, headers: { 'User-Agent': 'undici', ...headers } }
}

function notValid(detail: string) {
  return problem(400, 'Bad Request', detail, 'client_not_valid')
}

describe('a back end that names its client', () => {
  test('opens a session in the place of that client, who then refreshes from there', async () => {
    const { sid, cookies } = await openByGuid(undefined, byBackEnd(), deployed)

    expect(await sessionRow(sid)).toMatchObject(STORED)
    expect(claimsOf(cookies.refresh_token)).toMatchObject({ ip: HOME })
    expect(await textAnswer(await refreshByCookies(cookies, { ip: HOME }, deployed))).toEqual(TEXT_GRANTED)
  })

  test('signs in with the password of that client, who then refreshes from there', async () => {
    const { email } = await createAccount(env.DB)
    const json = { primary_email: email, password: PASSWORD }
    const response = await deployed.call('/auth/token', { ...byBackEnd(), method: 'POST', json })
    const { refresh } = (await response.json()) as Tokens

    expect(await sessionRow(String(claimsOf(refresh)['sid']))).toMatchObject(STORED)
    expect((await refreshByJson(refresh, { ip: HOME }, deployed)).status).toBe(200)
  })

  test('opens a session in cookies for that client, too', async () => {
    const { email } = await createAccount(env.DB)
    const json = { primary_email: email, password: PASSWORD }
    const response = await deployed.call('/auth/session', { ...byBackEnd(), method: 'POST', json })

    expect(response.status).toBe(200)
    const { sid } = claimsOf(pairOf(response).access_token)
    expect(await sessionRow(String(sid))).toMatchObject(STORED)
  })

  test.each([
    [
      'cookies',
      ({ cookies }: Awaited<ReturnType<typeof open>>, o: CallOptions) => refreshByCookies(cookies, o, deployed),
    ],
    ['JSON', ({ refresh }: Awaited<ReturnType<typeof open>>, o: CallOptions) => refreshByJson(refresh, o, deployed)],
  ])('refreshes for that client, by %s', async (_name, refresh) => {
    const opened = await open(undefined, byBackEnd(), deployed)

    expect((await refresh(opened, byBackEnd())).status).toBe(200)
    expect(await sessionRow(opened.sid)).toMatchObject({ ...STORED, previous_jti: opened.jti })
  })

  test('has the theft of a pair found out by the place of the client that it names, and told in the mail', async () => {
    const { sid, cookies } = await open(undefined, byBackEnd(), deployed)
    const thief = byBackEnd(onBehalfOf(ELSEWHERE, { ...NAMED, 'Tessera-Client-City': 'Nelson' }))

    expect(await textAnswer(await refreshByCookies(cookies, thief, deployed))).toEqual(TEXT_BLOCKED)
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'location' })
    const [mail] = (await notificationsFor(sid)) ?? []
    expect(JSON.parse(String(mail?.['facts']))).toMatchObject({
      client: { address: ELSEWHERE, city: 'Nelson', country: 'AT', userAgent: 'Browser/1' },
      usual: { address: HOME, city: 'Graz' },
    })
  })

  test('is seen by its client in the list of sessions as that client', async () => {
    const { access } = await open(undefined, byBackEnd(), deployed)
    const listed = await deployed.call('/auth/sessions', { ip: HOME, headers: bearer(access) })

    expect(await listed.json()).toMatchObject([
      { ip: HOME, city: 'Graz', country: 'AT', network: null, user_agent: 'Browser/1' },
    ])
  })

  test('lists and ends sessions by the cookie of that client', async () => {
    const { cookies, account } = await open(undefined, byBackEnd(), deployed)
    const other = await open(account, byBackEnd(), deployed)
    const asked = { ...byBackEnd(), cookies }

    expect(await (await deployed.call('/auth/sessions', asked)).json()).toHaveLength(2)
    expect(await answer(await deployed.call('/auth/sessions', { ...asked, method: 'DELETE' }))).toEqual(DONE)
    expect(await textAnswer(await refreshByCookies(other.cookies, byBackEnd(), deployed))).toEqual(TEXT_USED)
    const elsewhere = { ...asked, headers: onBehalfOf(ELSEWHERE) }
    expect(await answer(await deployed.call('/auth/sessions', elsewhere))).toEqual(BLOCKED)
    expect(await answer(await deployed.call('/auth/sessions', byBackEnd()))).toEqual(NOT_AUTHENTICATED)
  })

  test('knows as little of the rest as it says', async () => {
    const { sid } = await open(undefined, byBackEnd(onBehalfOf(HOME)), deployed)
    expect(await sessionRow(sid)).toMatchObject({ ip: HOME, country: null, asn: null, city: null, user_agent: null })
  })

  test.each([
    ['address', '2001:DB8:0:1::FFFF', { ip: '2001:db8:0:1::ffff' }, {}],
    ['an unknown country', HOME, { country: null }, { 'Tessera-Client-Country': 'XX' }],
    ['Tor', HOME, { country: 'T1' }, { 'Tessera-Client-Country': 'T1' }],
    [
      'nothing at all',
      HOME,
      { country: null, asn: null, city: null },
      { 'Tessera-Client-Country': '', 'Tessera-Client-ASN': '', 'Tessera-Client-City': '' },
    ],
    ['the largest number', HOME, { asn: 4_294_967_295 }, { 'Tessera-Client-ASN': '4294967295' }],
    ['a city in percent-encoding', HOME, { city: '東京' }, { 'Tessera-Client-City': '%E6%9D%B1%E4%BA%AC' }],
    ['a city with a percent sign', HOME, { city: '100% Town' }, { 'Tessera-Client-City': '100% Town' }],
    ['a long user agent', HOME, { user_agent: 'x'.repeat(256) }, { 'Tessera-Client-User-Agent': 'x'.repeat(300) }],
  ])('may name %s', async (_name, address, stored, more) => {
    const { sid } = await open(undefined, byBackEnd(onBehalfOf(address, more)), deployed)
    expect(await sessionRow(sid)).toMatchObject(stored)
  })
})

describe('what cannot be read', () => {
  test.each([
    ['Tessera-Client-IP', ''],
    ['Tessera-Client-IP', 'unknown'],
    ['Tessera-Client-IP', `${HOME}, ${ELSEWHERE}`],
    ['Tessera-Client-IP', `${HOME}:443`],
    ['Tessera-Client-IP', '[2001:db8::1]'],
    ['Tessera-Client-IP', 'fe80::1%eth0'],
    ['Tessera-Client-Country', 'Austria'],
    ['Tessera-Client-Country', 'at'],
    ['Tessera-Client-Country', 'A'],
    ['Tessera-Client-ASN', 'AS64500'],
    ['Tessera-Client-ASN', '0'],
    ['Tessera-Client-ASN', '-1'],
    ['Tessera-Client-ASN', '4294967296'],
    ['Tessera-Client-ASN', '1e3'],
    ['Tessera-Client-City', 'x'.repeat(129)],
    ['Tessera-Client-City', 'Graz%0ABcc: a@example.com'],
    ['Tessera-Client-City', 'Graz%E2%80%A8'],
    ['Tessera-Client-City', 'Z%EF%BF%BDrich'],
  ])('%s: %j is 400 that names the header, and writes nothing', async (header, text) => {
    const { cookies, refresh } = await open(undefined, byBackEnd(), deployed)
    const options = byBackEnd(onBehalfOf(HOME, { [header]: text }))
    const expected = notValid(`${header} is not valid`)

    expect(await textAnswer(await callWithoutTrace(`/${crypto.randomUUID()}`, options, deployed))).toEqual(
      textRefusal(400, `${header} is not valid`),
    )
    const refreshed = await callWithoutTrace('/refresh', { ...options, method: 'POST', cookies }, deployed)
    expect(await answer(refreshed)).toEqual(expected)
    for (const path of ['/auth/token/refresh', '/auth/token/revoke']) {
      const json = { refresh }
      const got = await callWithoutTrace(path, { ...options, method: 'POST', json }, deployed)
      expect(await answer(got)).toEqual(expected)
    }
    expect(await textAnswer(await refreshByCookies(cookies, byBackEnd(), deployed))).toEqual(TEXT_GRANTED)
  })

  test('is also what is known of a client without an address', async () => {
    const { cookies } = await open(undefined, byBackEnd(), deployed)
    const { 'Tessera-Client-IP': _left, ...headers } = onBehalfOf(HOME, NAMED)

    expect(await textAnswer(await refreshByCookies(cookies, byBackEnd(headers), deployed))).toEqual(
      textRefusal(400, 'Tessera-Client-IP is missing'),
    )
  })
})

describe('without the service key', () => {
  test('the headers change nothing', async () => {
    const { sid, cookies } = await open(undefined, { ip: HOME })
    const { Authorization: _left, ...headers } = onBehalfOf(ELSEWHERE, NAMED)

    expect(await textAnswer(await refreshByCookies(cookies, { ip: HOME, headers }))).toEqual(TEXT_GRANTED)
    expect(await sessionRow(sid)).toMatchObject({ ip: HOME, city: null, user_agent: null })
    const malformed = { ...headers, 'Tessera-Client-IP': 'x' }
    expect((await worker.call(`/${crypto.randomUUID()}`, { headers: malformed })).status).toBe(200)
  })

  test('an access token in its place stays what it is where sessions are governed', async () => {
    const { access } = await open(undefined, { ip: HOME })
    const headers = { ...onBehalfOf(ELSEWHERE), ...bearer(access) }

    expect((await worker.call('/auth/sessions', { ip: HOME, headers })).status).toBe(200)
    const thief = { ip: ELSEWHERE, headers: { ...onBehalfOf(HOME), ...bearer(access) } }
    expect(await answer(await worker.call('/auth/sessions', thief))).toEqual(BLOCKED)
  })

  test.each([
    ['POST', '/auth/password', { current_password: 'wrong', new_password: GOOD_PASSWORD }],
    ['POST', '/auth/email', { password: 'wrong', new_email: 'next@example.com' }],
    ['DELETE', '/auth/me', { password: 'wrong' }],
  ] as const)('nor where an account is changed: %s %s', async (method, path, json) => {
    const { access } = await open(undefined, { ip: HOME })
    const change = (ip: string, named: string) =>
      worker.call(path, { method, json, ip, headers: { ...onBehalfOf(named), ...bearer(access) } })
    expect(await (await change(HOME, ELSEWHERE)).json()).toMatchObject({ status: 400, code: 'password_not_valid' })
    expect(await answer(await change(ELSEWHERE, HOME))).toEqual(BLOCKED)
  })

  test.each([
    ['POST', '/auth/register', { primary_email: 'a@example.com', password: GOOD_PASSWORD }],
    ['POST', '/auth/confirm/resend', { primary_email: 'a@example.com' }],
    ['POST', '/auth/password/forgot', { primary_email: 'a@example.com' }],
  ] as const)('a wrong key asks for no mail: %s %s', async (method, path, json) => {
    const headers = { ...onBehalfOf(HOME), ...bearer('wrong') }
    expect(await answer(await worker.call(path, { method, json, headers }))).toEqual(FORBIDDEN)
  })

  test.each([
    ['GET /refresh', '/refresh', { method: 'GET' }],
    [
      'POST /auth/token',
      '/auth/token',
      { method: 'POST', json: { primary_email: 'a@example.com', password: PASSWORD } },
    ],
    [
      'POST /auth/session',
      '/auth/session',
      { method: 'POST', json: { primary_email: 'a@example.com', password: PASSWORD } },
    ],
    ['POST /auth/token/refresh', '/auth/token/refresh', { method: 'POST' }],
    ['POST /auth/token/revoke', '/auth/token/revoke', { method: 'POST' }],
    ['DELETE /auth/session', '/auth/session', { method: 'DELETE' }],
  ] as const)('%s is refused for a wrong key beside them, and ends nothing', async (_name, path, options) => {
    const { sid, cookies, refresh } = await open(undefined, { ip: HOME })
    const headers = { ...onBehalfOf(HOME), ...bearer('wrong'), Accept: 'application/json' }
    const json = 'json' in options ? options.json : options.method === 'POST' ? { refresh } : undefined

    expect(await answer(await callWithoutTrace(path, { json, cookies, ...options, headers }, deployed))).toEqual(
      FORBIDDEN,
    )
    expect(await endOf(sid)).toEqual(LIVE)
  })

  test('a wrong key goes before a header that cannot be read', async () => {
    const headers = { ...onBehalfOf('x'), ...bearer('wrong') }
    expect(await textAnswer(await deployed.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(TEXT_FORBIDDEN)
  })
})

function issue(by: TestWorker, headers: Readonly<Record<string, string>>) {
  return callWithoutTrace(`/${crypto.randomUUID()}`, byBackEnd(headers), by)
}

describe('a session that is opened with the service key', () => {
  const MISSING = textRefusal(400, 'Tessera-Client-IP is missing')

  test.each(['address', 'subnet', 'asn', 'country'])('needs a client under %s', async (policy) => {
    const { Authorization } = onBehalfOf(HOME)
    const service = startWorker({ ISSUE_ACCESS: 'service', LOCATION_POLICY: policy })
    const local = startWorker({ ISSUE_ACCESS: 'open', LOCATION_POLICY: policy })

    expect(await textAnswer(await issue(service, { Authorization }))).toEqual(MISSING)
    // A developer meets it on their own machine, and not after the deployment.
    expect(await textAnswer(await issue(local, { Authorization }))).toEqual(MISSING)
  })

  test('needs none where no place is compared', async () => {
    const off = startWorker({ ISSUE_ACCESS: 'service', LOCATION_POLICY: 'off' })
    const { Authorization } = onBehalfOf(HOME)
    const without = await openByGuid(undefined, byBackEnd({ Authorization }), off)
    const named = await openByGuid(undefined, byBackEnd(), off)

    expect(await sessionRow(without.sid)).toMatchObject({ ip: SERVER, city: 'Ashburn' })
    expect(await sessionRow(named.sid)).toMatchObject(STORED)
  })
})

test('a back end without a client of its own refreshes as itself, as it always did', async () => {
  const { email } = await createAccount(env.DB)
  const { Authorization } = onBehalfOf(HOME)
  const json = { primary_email: email, password: PASSWORD }
  const signedIn = await deployed.call('/auth/token', { ...byBackEnd({ Authorization }), method: 'POST', json })
  const { refresh } = (await signedIn.json()) as Tokens

  expect(await sessionRow(String(claimsOf(refresh)['sid']))).toMatchObject({ ip: SERVER, city: 'Ashburn' })
  expect((await refreshByJson(refresh, byBackEnd({ Authorization }), deployed)).status).toBe(200)
})
