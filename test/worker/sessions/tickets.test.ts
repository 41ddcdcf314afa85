/**
 * Tickets: a back end asks for one, a browser opens a session with it, once, in its own place, and goes on.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, dumpTables } from '../../support/accounts.ts'
import {
  answer,
  COMMON,
  FORBIDDEN,
  MALFORMED,
  malformed,
  NOT_AUTHENTICATED,
  NOT_JSON,
  STRING_MISSING,
} from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { claimsOf, decodeToken, forgedCopy, testKeys, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { bearer, callWithoutTrace, onBehalfOf, post, refreshByCookies, SERVICE } from '../../support/requests.ts'
import { openByGuid, sessionRow } from '../../support/sessions.ts'
import {
  TEXT_BLOCKED,
  TEXT_FORBIDDEN,
  TEXT_GRANTED,
  TEXT_INACTIVE,
  TEXT_MALFORMED,
  TEXT_NOT_VALID,
  TEXT_USED,
  textAnswer,
} from '../../support/text-answers.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  ORIGIN,
  type Overrides,
  pairOf,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn')

const APP = 'https://app.example.com'
const SETTINGS = { ISSUE_ACCESS: 'service', RETURN_ORIGINS: APP } satisfies Overrides
const deployed = startWorker(SETTINGS)

/** What Chromium sends when a page of another site leads here. */
const BY_LINK = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }

interface Order {
  readonly guid?: string
  readonly to?: string
}

/** The path of a ticket's URL, with its query. */
async function order(
  { guid = crypto.randomUUID(), to }: Order = {},
  headers: Readonly<Record<string, string>> = SERVICE,
  by: TestWorker = deployed,
) {
  const response = await post('/auth/tickets', { guid, to }, { headers }, by)
  const { url } = await response.json<{ url: string }>()
  const { origin, pathname, search, searchParams } = new URL(url)
  expect(origin).toBe(ORIGIN)
  return { guid, path: pathname + search, ticket: searchParams.get('ticket') ?? '' }
}

function use({ path }: { readonly path: string }, options: CallOptions = {}, by: TestWorker = deployed) {
  return by.call(path, options)
}

function sidOf(response: Response) {
  return String(claimsOf(pairOf(response).access_token)['sid'])
}

describe('POST /auth/tickets', () => {
  test('answers a URL and how long it works, and writes nothing', async () => {
    const { guid } = await createAccount(env.DB)
    const response = await callWithoutTrace(
      '/auth/tickets',
      { method: 'POST', json: { guid: guid.toUpperCase(), to: `${APP}/welcome` }, headers: SERVICE },
      deployed,
    )
    const { status, headers, body } = await answer(response)
    const { url, ...rest } = JSON.parse(body) as { url: string }
    const ticket = url.slice(`${ORIGIN}/${guid}?ticket=`.length)

    expect({ status, headers }).toEqual({ status: 200, headers: { ...COMMON, 'content-type': 'application/json' } })
    expect(rest).toEqual({ expires_in: 60 })
    expect(url.startsWith(`${ORIGIN}/${guid}?ticket=`)).toBe(true)
    expect(decodeToken(ticket)).toEqual({
      header: { alg: 'HS256', typ: 'JWT', kid: testKeys.ticket.signing.kid },
      payload: {
        token_type: 'ticket',
        guid,
        sid: expect.stringMatching(UUID) as string,
        to: `${APP}/welcome`,
        iat: T0,
        exp: T0 + 60,
      },
    })
  })

  test('takes no round trip to the database', async () => {
    const counting = countRoundTrips(env.DB)
    const by = startWorker({ ...SETTINGS, DB: counting.database })
    await order({}, SERVICE, by)
    expect(counting.roundTrips()).toBe(0)
  })

  test.each([
    ['no key', {}, {}, NOT_AUTHENTICATED],
    ['a wrong key', {}, bearer('wrong'), FORBIDDEN],
    ['the key where issuing is off', { ISSUE_ACCESS: 'off' }, SERVICE, FORBIDDEN],
  ])('is refused with %s', async (_name, settings, headers, expected) => {
    const by = startWorker({ ...SETTINGS, ...settings })
    expect(await answer(await post('/auth/tickets', { guid: crypto.randomUUID() }, { headers }, by))).toEqual(expected)
  })

  test('needs the key where anybody may open sessions, too', async () => {
    const open = startWorker({ ...SETTINGS, ISSUE_ACCESS: 'open' })
    expect(await answer(await post('/auth/tickets', { guid: crypto.randomUUID() }, {}, open))).toEqual(
      NOT_AUTHENTICATED,
    )
  })

  test.each([
    ['no guid', {}, malformed({ guid: [STRING_MISSING] })],
    ['no guid that is one', { guid: 'x' }, malformed({ guid: ['Invalid GUID'] })],
    [
      'a number as the address',
      { guid: crypto.randomUUID(), to: 1 },
      malformed({ to: ['Invalid input: expected string, received number'] }),
    ],
    ['another site', { guid: crypto.randomUUID(), to: 'https://evil.example' }, MALFORMED],
    ['what looks like a path', { guid: crypto.randomUUID(), to: '//evil.example' }, MALFORMED],
    ['a ticket that nobody could read', { guid: crypto.randomUUID(), to: `/?${'\\'.repeat(2000)}` }, MALFORMED],
  ])('is refused for %s', async (_name, json, expected) => {
    expect(await answer(await post('/auth/tickets', json, { headers: SERVICE }, deployed))).toEqual(expected)
  })

  test('is refused for a form, which a foreign page can send', async () => {
    const body = new URLSearchParams({ guid: crypto.randomUUID() }).toString()
    const headers = { ...SERVICE, 'Content-Type': 'application/x-www-form-urlencoded' }
    expect(await answer(await deployed.call('/auth/tickets', { method: 'POST', body, headers }))).toEqual(NOT_JSON)
  })
})

describe('GET /{guid}?ticket=…', () => {
  test('opens the session in the place of the browser, without the service key', async () => {
    const cf = { asn: 64_500, country: 'AT', city: 'Graz' } as const
    const { guid, path, ticket } = await order()
    const response = await use({ path }, { ip: ELSEWHERE, cf })

    expect(await textAnswer(response.clone())).toEqual(TEXT_GRANTED)
    const sid = sidOf(response)
    expect(sid).toBe(claimsOf(ticket)['sid'])
    expect(claimsOf(pairOf(response).access_token)).toMatchObject({ guid, iss: ORIGIN })
    expect(await sessionRow(sid)).toMatchObject({ ip: ELSEWHERE, city: 'Graz' })
    expect(await textAnswer(await refreshByCookies(pairOf(response), { ip: ELSEWHERE }, deployed))).toEqual(
      TEXT_GRANTED,
    )
  })

  test.each([
    [`${APP}/welcome?a=1#b`, `${APP}/welcome?a=1#b`],
    ['/app', '/app'],
  ])('goes on to %s', async (to, location) => {
    const response = await use(await order({ to }))

    expect(response.status).toBe(303)
    expect(response.headers.get('Location')).toBe(location)
    expect(await response.text()).toBe('')
    expect(pairOf(response)).toBeDefined()
  })

  test('works once, whatever becomes of its session', async () => {
    const ticket = await order()
    const { guid } = ticket
    const response = await use(ticket)
    const again = () => callWithoutTrace(ticket.path, {}, deployed)

    expect(response.status).toBe(200)
    expect(await textAnswer(await again())).toEqual(TEXT_USED)
    await refreshByCookies(pairOf(response), {}, deployed)
    expect(await textAnswer(await again())).toEqual(TEXT_USED)
    await deployed.call('/auth/session', { method: 'DELETE', cookies: pairOf(response) })
    expect(await textAnswer(await again())).toEqual(TEXT_USED)
    expect(logged.mock.calls.at(-1)).toEqual([
      {
        event: 'refused',
        code: 'token_used',
        status: 401,
        cause: 'used ticket',
        guid,
        sid: sidOf(response),
        route: '/:guid',
      },
    ])
  })

  test('works once, of twenty that come at the same time', async () => {
    const ticket = await order()
    const answers = await Promise.all(Array.from({ length: 20 }, async () => (await use(ticket)).status))
    expect(answers.toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(401)])
  })

  test('works until its minute is over', async () => {
    const [early, late] = [await order(), await order()]
    at(59)
    expect(await textAnswer(await use(early))).toEqual(TEXT_GRANTED)
    at(60)
    expect(await textAnswer(await callWithoutTrace(late.path, {}, deployed))).toEqual(TEXT_NOT_VALID)
  })

  test('ends the session that the browser had, as every sign-in does', async () => {
    const { cookies } = await openByGuid(undefined, { headers: onBehalfOf(HOME) }, deployed)
    expect((await use(await order(), { cookies })).status).toBe(200)
    expect(await textAnswer(await refreshByCookies(cookies, {}, deployed))).toEqual(TEXT_USED)
  })

  test('opens nothing for an account that is not active', async () => {
    const { guid } = await createAccount(env.DB, { isActive: false })
    const { path } = await order({ guid })
    expect(await textAnswer(await callWithoutTrace(path, {}, deployed))).toEqual(TEXT_INACTIVE)
  })

  test('takes one round trip', async () => {
    const counting = countRoundTrips(env.DB)
    const by = startWorker({ ...SETTINGS, DB: counting.database })
    const ticket = await order()
    expect((await use(ticket, {}, by)).status).toBe(200)
    expect(counting.roundTrips()).toBe(1)
  })

  test.each(['before', 'during'] as const)(
    'is 503 while D1 fails %s it writes, and may be used afterwards',
    async (fault) => {
      const d1 = faultyDatabase(env.DB)
      const by = startWorker({ ...SETTINGS, DB: d1.database })
      const ticket = await order()
      d1.fail(fault)
      const failed = await textAnswer(await callWithoutTrace(ticket.path, {}, by))
      expect(failed).toMatchObject({ status: 503, retryAfter: '1', cookies: [] })
      expect(await textAnswer(await use(ticket, {}, by))).toEqual(TEXT_GRANTED)
    },
  )
})

describe('a ticket that is not good', () => {
  test.each([
    ['is empty', () => '', TEXT_MALFORMED],
    ['is no token', () => 'x', TEXT_MALFORMED],
    [
      'is a refresh token',
      async () => (await openByGuid(undefined, { headers: onBehalfOf(HOME) }, deployed)).refresh,
      TEXT_NOT_VALID,
    ],
    [
      'is an access token',
      async () => (await openByGuid(undefined, { headers: onBehalfOf(HOME) }, deployed)).access,
      TEXT_NOT_VALID,
    ],
    ['is for another account', async () => (await order()).ticket, TEXT_NOT_VALID],
    ['was signed by a stranger', ({ ticket }: { ticket: string }) => forgedCopy(ticket), TEXT_NOT_VALID],
  ] as const)('is refused, and writes nothing: it %s', async (_name, make, expected) => {
    const good = await order()
    const ticket = await make(good)
    const path = `/${good.guid}?${new URLSearchParams({ ticket }).toString()}`
    expect(await textAnswer(await callWithoutTrace(path, { headers: SERVICE }, deployed))).toEqual(expected)
    expect(await textAnswer(await use(good))).toEqual(TEXT_GRANTED)
  })

  test('is refused where issuing was switched off since', async () => {
    const { path } = await order()
    const off = startWorker({ ...SETTINGS, ISSUE_ACCESS: 'off' })
    expect(await textAnswer(await callWithoutTrace(path, {}, off))).toEqual(TEXT_FORBIDDEN)
  })

  test('is refused, before anything is opened, where its address may not be gone on to any more', async () => {
    const ticket = await order({ to: `${APP}/welcome` })
    const changed = startWorker({ ...SETTINGS, RETURN_ORIGINS: '' })
    expect(await textAnswer(await callWithoutTrace(ticket.path, {}, changed))).toEqual(TEXT_MALFORMED)
    expect((await use(ticket)).status).toBe(303)
  })
})

describe('a ticket for a client', () => {
  const AT = { 'Tessera-Client-Country': 'AT' }

  test.each([
    ['address', HOME, {}],
    ['subnet', '203.0.113.250', {}],
    ['country', ELSEWHERE, { country: 'AT' }],
    ['off', ELSEWHERE, {}],
  ] as const)('works from its place, as %s has it', async (policy, ip, cf) => {
    const by = startWorker({ ...SETTINGS, LOCATION_POLICY: policy })
    const ticket = await order({}, onBehalfOf(HOME, AT), by)
    expect(await textAnswer(await use(ticket, { ip, cf }, by))).toEqual(TEXT_GRANTED)
  })

  test.each([
    ['address', '203.0.113.8', { country: 'AT' }],
    ['subnet', ELSEWHERE, { country: 'AT' }],
    ['asn', ELSEWHERE, { asn: 64_500 }],
    ['country', ELSEWHERE, { country: 'NZ' }],
  ] as const)('opens nothing from elsewhere, as %s has it, and stays good', async (policy, ip, cf) => {
    const by = startWorker({ ...SETTINGS, LOCATION_POLICY: policy })
    const ticket = await order({}, onBehalfOf(HOME, AT), by)

    expect(await textAnswer(await callWithoutTrace(ticket.path, { ip, cf }, by))).toEqual(TEXT_BLOCKED)
    expect(await textAnswer(await use(ticket, { ip: HOME }, by))).toEqual(TEXT_GRANTED)
  })

  test('is not ordered for one that cannot be read', async () => {
    const headers = onBehalfOf('x')
    const response = await post('/auth/tickets', { guid: crypto.randomUUID() }, { headers }, deployed)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'client_not_valid', detail: 'Tessera-Client-IP is not valid' })
  })
})

describe('a page of another site', () => {
  test('may lead to a ticket', async () => {
    const response = await use(await order({ to: '/app' }), { headers: BY_LINK })
    expect(response.status).toBe(303)
    expect(pairOf(response)).toBeDefined()
  })

  test.each([
    ['fetch it', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }],
    ['show it as an image', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
    ['frame it', { 'Sec-Fetch-Dest': 'iframe' }],
    ['load it as a document and stay where it is', { 'Sec-Fetch-Mode': 'no-cors' }],
    ['prefetch it', { 'Sec-Purpose': 'prefetch' }],
  ])('may not %s', async (_name, headers) => {
    const ticket = await order()
    const asked = { headers: { ...BY_LINK, ...headers } }
    const refused = await callWithoutTrace(ticket.path, asked, deployed)
    expect(refused.headers.get('Vary')).toBe('Sec-Fetch-Site, Sec-Purpose, Sec-Fetch-Mode, Sec-Fetch-Dest')
    expect(await textAnswer(refused)).toEqual(TEXT_FORBIDDEN)
    expect(await textAnswer(await use(ticket))).toEqual(TEXT_GRANTED)
  })

  test('is led to the longest addresses that there are', async () => {
    for (const to of [`${APP}/${'a'.repeat(2024)}`, `/?${'"'.repeat(682)}`, `/${'ü'.repeat(341)}`]) {
      expect((await use(await order({ to }), { headers: BY_LINK })).status).toBe(303)
    }
  })

  test('may still not lead to a session without one', async () => {
    const open = startWorker({ ...SETTINGS, ISSUE_ACCESS: 'open' })
    for (const query of ['', '?tickets=x']) {
      const path = `/${crypto.randomUUID()}${query}`
      expect(await textAnswer(await callWithoutTrace(path, { headers: BY_LINK }, open))).toEqual(TEXT_FORBIDDEN)
    }
  })
})

test('no token of a ticket stands in a row', async () => {
  const ticket = await order()
  await use(ticket)
  const stored = JSON.stringify(await dumpTables(env.DB))
  expect(ticket.ticket.split('.').filter((part) => stored.includes(part))).toEqual([])
})
