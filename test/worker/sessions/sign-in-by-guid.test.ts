/** GET /{guid}: what a browser gets, who may ask for it, and what is left in the database after it. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, dumpTables } from '../../support/accounts.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken, testKeys, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, onBehalfOf, refreshByCookies } from '../../support/requests.ts'
import { jtiOf, openByGuid } from '../../support/sessions.ts'
import {
  TEXT_FORBIDDEN,
  TEXT_GRANTED,
  TEXT_INACTIVE,
  TEXT_MALFORMED,
  textAnswer,
  textRefusal,
} from '../../support/text-answers.ts'
import { HOME, ORIGIN, pairOf, setCookies, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

/** As no local Worker is: whoever opens a session has the service key. */
const DEPLOYED = { ISSUE_ACCESS: 'service' }

describe('GET /{guid}', () => {
  test('hands out a pair in two cookies, with an empty body', async () => {
    const response = await worker.call('/6f9619ff-8b86-4011-b42d-00c04fc964ff')

    expect(await textAnswer(response)).toEqual(TEXT_GRANTED)
    const cookies = setCookies(response)
    const shared = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(cookies['access_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/', ...shared])
    expect(cookies['refresh_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/refresh', ...shared])
  })

  test('signs the claims of both tokens, and no others', async () => {
    const { guid, cookies } = await openByGuid()
    const account = await env.DB.prepare('SELECT id FROM users WHERE guid = ?').bind(guid).first<{ id: number }>()
    const access = decodeToken(cookies.access_token)
    const shared = {
      iss: ORIGIN,
      sub: guid,
      id: account?.id,
      guid,
      sid: expect.stringMatching(UUID) as string,
      jti: expect.stringMatching(UUID) as string,
      iat: T0,
    }

    expect(access.header).toEqual({ alg: 'ES256', typ: 'JWT', kid: testKeys.jwks.keys[0]?.kid })
    expect(access.payload).toEqual({ ...shared, exp: T0 + 300, group: 'user', token_type: 'access' })
    expect(decodeToken(cookies.refresh_token)).toEqual({
      header: { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid },
      payload: {
        ...shared,
        sid: access.payload['sid'],
        jti: access.payload['jti'],
        exp: T0 + 10 * DAY_SECONDS,
        ip: HOME,
        token_type: 'refresh',
      },
    })
  })

  test('names PUBLIC_URL as the issuer and AUDIENCE as the audience of the access token', async () => {
    const configured = startWorker({ ...DEPLOYED, PUBLIC_URL: 'https://id.example.org', AUDIENCE: 'api' })
    const own = { origin: 'https://id.example.org', headers: onBehalfOf(HOME) }
    const { cookies } = await openByGuid(undefined, own, configured)

    expect(decodeToken(cookies.access_token).payload).toMatchObject({ iss: 'https://id.example.org', aud: 'api' })
    expect(decodeToken(cookies.refresh_token).payload).toMatchObject({ iss: 'https://id.example.org' })
    expect(decodeToken(cookies.refresh_token).payload).not.toHaveProperty('aud')
  })

  test('leaves one row for the session, and no token in it', async () => {
    const cf = { asn: 64_500, country: 'AT', city: 'Graz', asOrganization: 'Example Net' } as const
    const { guid, sid, cookies } = await openByGuid(undefined, { cf, headers: { 'User-Agent': 'Browser/1' } })
    const dump = await dumpTables(env.DB)
    const account = dump['users']?.find((row) => row['guid'] === guid)

    expect(account).toEqual({
      id: account?.['id'],
      guid,
      primary_email: null,
      password_hash: null,
      group: 'user',
      is_active: 1,
      confirmed_at: null,
      failed_sign_ins: 0,
      locked_until: null,
      ended_before: null,
      ended_except: null,
      credentials_version: 0,
      language: null,
      time_zone: null,
      left_at: null,
      created_at: T0,
      updated_at: T0,
      external_id: null,
      own_claims: null,
    })
    expect(dump['sessions']?.filter((row) => row['user_id'] === account?.['id'])).toEqual([
      {
        sid,
        user_id: account?.['id'],
        jti: jtiOf(cookies),
        issued_at: T0,
        previous_jti: null,
        rotated_at: null,
        expires_at: T0 + 10 * DAY_SECONDS,
        created_at: T0,
        revoked_at: null,
        revoked_reason: null,
        ip: HOME,
        asn: 64_500,
        country: 'AT',
        city: 'Graz',
        network: 'Example Net',
        user_agent: 'Browser/1',
        visit_ip: null,
        visit_country: null,
        visit_city: null,
        visit_network: null,
        visit_user_agent: null,
        bound_key: null,
        bound_by: null,
        bound_proof: null,
      },
    ])
    const stored = JSON.stringify(dump)
    const parts = Object.values(cookies).flatMap((token) => [token, ...token.split('.')])
    expect(parts.filter((part) => stored.includes(part))).toEqual([])
  })

  test('opens a further session for a guid that it knows, in any spelling', async () => {
    const guid = 'abcdefab-0000-4000-8000-00000000cdef'
    const first = await openByGuid(guid)
    const second = await openByGuid(guid.toUpperCase())
    const { id } = decodeToken(first.cookies.access_token).payload

    expect(decodeToken(second.cookies.access_token).payload).toMatchObject({ id, sub: guid, guid })
    expect(second.sid).not.toBe(first.sid)
    expect(jtiOf(second.cookies)).not.toBe(jtiOf(first.cookies))
    expect(await textAnswer(await refreshByCookies(first.cookies))).toEqual(TEXT_GRANTED)
  })

  test('signs the group of the account', async () => {
    const { guid } = await createAccount(env.DB, { group: 'editors' })

    expect(decodeToken((await openByGuid(guid)).cookies.access_token).payload).toMatchObject({ guid, group: 'editors' })
  })

  test.each([
    '6f9619ff-8b86-d011-b42d-00c04fc964ff',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '12345678-1234-f234-0234-123456789012',
  ])('takes %s, which is hex of the right form though not RFC 9562', async (guid) => {
    expect(await textAnswer(await worker.call(`/${guid}`))).toEqual(TEXT_GRANTED)
  })

  test.each([
    'x',
    'favicon.ico',
    '6f9619ff8b864011b42d00c04fc964ff',
    '{6f9619ff-8b86-4011-b42d-00c04fc964ff}',
    '6f9619ff-8b86-4011-b42d-00c04fc964f',
    '6f9619ff-8b86-4011-b42d-00c04fc964fff',
    '6f9619ff-8b86-4011-b42d-00c04fc964fg',
    '%206f9619ff-8b86-4011-b42d-00c04fc964ff',
    '6f9619ff-8b86-4011-b42d-00c04fc964ff%0A',
    '6f9619ff-8b86-4011-b42d-00c04fc964ff%00',
    "6f9619ff-8b86-4011-b42d-00c04fc964ff'--",
  ])('refuses the malformed guid %j', async (guid) => {
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await worker.call(`/${guid}`))).toEqual(TEXT_MALFORMED)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('refuses an account that is not active', async () => {
    const { guid } = await createAccount(env.DB, { isActive: false })
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await worker.call(`/${guid}`))).toEqual(TEXT_INACTIVE)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('ISSUE_ACCESS', () => {
  const { SERVICE_KEY } = TEST_BINDINGS
  const NOT_AUTHENTICATED = textRefusal(401, 'Authentication credentials were not provided')

  test.each([
    ['service', 'no key', {}, NOT_AUTHENTICATED],
    ['service', 'another scheme', { Authorization: `Basic ${SERVICE_KEY}` }, NOT_AUTHENTICATED],
    ['service', 'an empty key', bearer(''), NOT_AUTHENTICATED],
    ['service', 'a wrong key', bearer('wrong'), TEXT_FORBIDDEN],
    ['service', 'the start of the key', bearer(SERVICE_KEY.slice(0, -1)), TEXT_FORBIDDEN],
    ['service', 'the key and more', bearer(`${SERVICE_KEY}x`), TEXT_FORBIDDEN],
    ['service', 'the key in other case', bearer(SERVICE_KEY.toLowerCase()), TEXT_FORBIDDEN],
    ['off', 'no key', {}, TEXT_FORBIDDEN],
    ['off', 'the key', bearer(SERVICE_KEY), TEXT_FORBIDDEN],
  ])('%s refuses %s, and writes nothing', async (access, _name, headers, expected) => {
    const guarded = startWorker({ ISSUE_ACCESS: access })
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['service', 'the key', onBehalfOf(HOME)],
    ['service', 'the key, its scheme in lower case', onBehalfOf(HOME, { Authorization: `bearer ${SERVICE_KEY}` })],
    ['open', 'anyone', {}],
    ['open', 'a wrong key', bearer('wrong')],
  ])('%s lets %s through', async (access, _name, headers) => {
    const guarded = startWorker({ ISSUE_ACCESS: access })

    expect(await textAnswer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(TEXT_GRANTED)
  })

  test.each([
    ['no key', {}, NOT_AUTHENTICATED],
    ['an empty key', bearer(''), NOT_AUTHENTICATED],
    ['any key', bearer(SERVICE_KEY), TEXT_FORBIDDEN],
    ['the word undefined', bearer('undefined'), TEXT_FORBIDDEN],
  ])('service without a configured SERVICE_KEY refuses %s', async (_name, headers, expected) => {
    const guarded = startWorker({ ISSUE_ACCESS: 'service', SERVICE_KEY: '' })

    expect(await textAnswer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(expected)
  })

  test.each(['service', 'off'])('%s says nothing about who may refresh', async (access) => {
    const { cookies } = await openByGuid()

    expect(await textAnswer(await refreshByCookies(cookies, {}, startWorker({ ISSUE_ACCESS: access })))).toEqual(
      TEXT_GRANTED,
    )
  })
})

describe('a request that no person asked for', () => {
  test.each([
    ['cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['of a sibling host', { 'Sec-Fetch-Site': 'same-site' }],
    ['a prefetch', { 'Sec-Purpose': 'prefetch' }],
    ['a prerender', { 'Sec-Purpose': 'prefetch;prerender' }],
    ['a prefetch of an older browser', { Purpose: 'prefetch' }],
  ])('is refused when it is %s, and nothing is written', async (_name, headers) => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await worker.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(TEXT_FORBIDDEN)
    expect(await textAnswer(await refreshByCookies(cookies, { headers }))).toEqual(TEXT_FORBIDDEN)
    const posted = await refreshByCookies(cookies, { headers, method: 'POST' })
    expect(posted.status).toBe(403)
    expect(await posted.json()).toEqual({
      type: 'https://auth.localhost/docs/errors#forbidden',
      title: 'Forbidden',
      status: 403,
      detail: 'Forbidden',
      code: 'forbidden',
    })
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })

  test.each(['same-origin', 'none'])('is not one that is %s', async (site) => {
    const { cookies } = await openByGuid(undefined, { headers: { 'Sec-Fetch-Site': site } })

    expect(await textAnswer(await refreshByCookies(cookies, { headers: { 'Sec-Fetch-Site': site } }))).toEqual(
      TEXT_GRANTED,
    )
  })

  test('is not answered to HEAD, which would hand out a pair that nobody reads', async () => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)
    const head = { ...textRefusal(405, ''), type: 'application/problem+json' }

    expect(await textAnswer(await worker.call(`/${crypto.randomUUID()}`, { method: 'HEAD' }))).toEqual({
      ...head,
      allow: 'GET',
    })
    expect(await textAnswer(await refreshByCookies(cookies, { method: 'HEAD' }))).toEqual({
      ...head,
      allow: 'GET, POST',
    })
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })
})

describe('Secure', () => {
  test.each([
    ['http://localhost:8787', false],
    ['http://127.0.0.1:8787', false],
    ['http://[::1]:8787', false],
    ['https://localhost:8787', true],
    ['https://auth.example.com', true],
    ['http://auth.example.com', true],
    ['http://localhost.example.com', true],
    ['http://127.0.0.1.example.com', true],
    ['http://192.168.1.10:8787', true],
  ])('on %s: %s', async (origin, secure) => {
    const { host } = new URL(origin)
    const by = startWorker({ ...DEPLOYED, PUBLIC_URL: host })
    const headers = onBehalfOf(HOME)
    const opened = await by.call(`/${crypto.randomUUID()}`, { origin, headers })
    const refreshed = await refreshByCookies(pairOf(opened), { origin }, by)

    for (const response of [opened, refreshed]) {
      const attributes = Object.values(setCookies(response)).map((cookie) => cookie.attributes)
      const flags = secure ? ['HttpOnly', 'Secure', 'SameSite=Strict'] : ['HttpOnly', 'SameSite=Strict']
      expect(attributes).toEqual([
        ['Max-Age=864000', 'Path=/', ...flags],
        ['Max-Age=864000', 'Path=/refresh', ...flags],
      ])
    }
  })
})
