/**
 * Tokens with a good signature that Tessera would never have signed. Nobody can make those; they show which check comes
 * first, and what a mistake of ours would be answered.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'

import { dumpTables } from '../../support/accounts.ts'
import { answer } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { counted, reset, roundTrips } from '../../support/counted-worker.ts'
import { strangerKeys } from '../../support/forge.ts'
import {
  bytes,
  everywhere,
  expectAlive,
  type Expected,
  expectRefused,
  type Genuine,
  GOOD,
  MALFORMED,
  NOT_A_PAIR,
  NOT_VALID,
  openGenuine,
  ownHeader,
  postToken,
  refreshWith,
  sign,
  signAsStranger,
  type TokenType,
  TYPES,
} from '../../support/forgeries.ts'
import { ELSEWHERE } from '../../support/worker.ts'

stopClock()

const STRANGER_JWK = strangerKeys.jwks.keys[0]

/** Another type's claims are never looked at: the JSON refresh of an access token ends at its signature. */
function shapeRefusal(type: TokenType): Expected {
  return type === 'refresh'
    ? everywhere(MALFORMED)
    : { cookie: MALFORMED.text, json: NOT_VALID.problem, verify: MALFORMED.problem }
}

describe('a good signature over claims of another shape, 400 Wrong data structure', () => {
  const OWN_CLAIMS = { access: ['group'], refresh: ['ip'] } as const
  const SHARED_CLAIMS = ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'token_type']
  const TOO_LONG = 'x'.repeat(65)
  const WRONG = {
    iss: [5, null, ['x']],
    // `sub` is the guid, to the letter: verifiers of access tokens know the account by it.
    sub: ['', 'x', 5, null, '00000000-0000-4000-8000-000000000001'],
    id: ['1', 0, -1, 1.5, null, 1e300, true, [1]],
    guid: ['x', 5, null, {}],
    sid: ['', TOO_LONG, 5, null, { a: 1 }],
    jti: ['', TOO_LONG, 5, null, ['x']],
    iat: [String(T0), -1, T0 + 0.5, null, 1e300, true],
    exp: [String(T0 + 300), -1, T0 + 300.5, null, 1e300, true, [T0 + 300]],
    nbf: ['', String(T0 - 1), -1, T0 - 0.5, null, 1e300, false, [T0 - 1], {}],
    token_type: [5, null, ['access'], {}],
  }
  const WRONG_OWN = {
    access: { group: [5, null, ['user']], aud: [5, null, ['api']] },
    refresh: { ip: ['', 'x', 5, null, '203.0.113.007', '2001:DB8::1', '::ffff:203.0.113.7'] },
  }

  const missing = TYPES.flatMap((type) =>
    [...SHARED_CLAIMS, ...OWN_CLAIMS[type]].map((claim) => [type, claim] as const),
  )
  test.each(missing)('%s without %s', (type, claim) =>
    expectRefused(
      type,
      ({ claims }) => {
        const { [claim]: _, ...rest } = claims[type]
        return sign(type, rest)
      },
      shapeRefusal(type),
    ),
  )

  const wrong = TYPES.flatMap((type) =>
    Object.entries({ ...WRONG, ...WRONG_OWN[type] }).flatMap(([claim, values]) =>
      values.map((value) => [type, claim, value] as const),
    ),
  )
  test.each(wrong)('%s with %s %j', (type, claim, value) =>
    expectRefused(type, ({ claims }) => sign(type, { ...claims[type], [claim]: value }), shapeRefusal(type)),
  )

  test.each(TYPES)('%s with no claims', (type) => expectRefused(type, () => sign(type, {}), shapeRefusal(type)))

  test.each(TYPES)('%s with its claims in __proto__', (type) =>
    expectRefused(
      type,
      ({ claims }) => sign(type, bytes(`{"__proto__":${JSON.stringify(claims[type])}}`)),
      shapeRefusal(type),
    ),
  )

  test.each(TYPES)('%s, though it expired too', (type) =>
    expectRefused(type, ({ claims }) => sign(type, { ...claims[type], exp: 1, sid: 5 }), shapeRefusal(type)),
  )
})

describe('a good signature at the wrong time, 401 Not valid token', () => {
  test.each([
    ['expired a second ago', { exp: T0 - 1 }],
    ['that expires now', { exp: T0 }],
    ['that expired in 1970', { exp: 0 }],
    ['from the far future', { iat: T0 + 10 ** 8, exp: T0 + 2 * 10 ** 8 }],
    ['from 61 s ahead', { iat: T0 + 61 }],
    ['that begins in a second', { nbf: T0 + 1 }],
  ])('refresh %s', (_name, claim) =>
    expectRefused('refresh', ({ claims }) => sign('refresh', { ...claims.refresh, ...claim }), everywhere(NOT_VALID)),
  )

  test.each([
    ['expired a second ago', { exp: T0 - 1 }],
    ['from the far future', { iat: T0 + 10 ** 8, exp: T0 + 2 * 10 ** 8 }],
    ['that begins in a second', { nbf: T0 + 1 }],
  ])('access %s', async (_name, claim) => {
    const { claims } = await openGenuine()
    const forged = await sign('access', { ...claims.access, ...claim })

    expect(await answer(await postToken('verify', forged))).toEqual(NOT_VALID.problem)
    expect(await answer(await postToken('refresh', forged))).toEqual(NOT_VALID.problem)
  })
})

describe('a good signature over the session of another account, 401 Not valid token', () => {
  const OTHER_GUID = '00000000-0000-4000-8000-000000000001'

  test.each([
    ['its id', { id: 1_000_000 }],
    ['its guid', { guid: OTHER_GUID, sub: OTHER_GUID }],
  ])('by %s, is refused before anything is written', async (_name, claim) => {
    const genuine = await openGenuine()
    const [access, refresh] = await Promise.all(TYPES.map((type) => sign(type, { ...genuine.claims[type], ...claim })))
    const before = await dumpTables(env.DB)

    const cookies = { access_token: access ?? '', refresh_token: refresh ?? '' }
    expect(await answer(await refreshWith(cookies))).toEqual(NOT_VALID.text)
    // From elsewhere it would have ended the session, were it meant.
    expect(await answer(await refreshWith(cookies, ELSEWHERE))).toEqual(NOT_VALID.text)
    expect(await answer(await postToken('refresh', refresh ?? ''))).toEqual(NOT_VALID.problem)
    const bearer = { Authorization: `Bearer ${access}` }
    for (const [method, path] of [
      ['GET', '/auth/me'],
      ['GET', '/auth/sessions'],
      ['DELETE', '/auth/sessions'],
      ['DELETE', `/auth/sessions/${String(genuine.claims.access['sid'])}`],
      ['GET', '/auth/places'],
      ['DELETE', '/auth/places/1'],
    ] as const) {
      const response = await counted.call(path, { method, headers: bearer })
      expect([path, (await answer(response)).body]).toEqual([path, NOT_VALID.problem.body])
    }

    expect(await dumpTables(env.DB)).toEqual(before)
    await expectAlive(genuine)
  })

  test.each([
    ['its id', { id: 1_000_000 }],
    ['its guid', { guid: OTHER_GUID, sub: OTHER_GUID }],
  ])('by %s in the access token alone, does not refresh the pair', async (_name, claim) => {
    const genuine = await openGenuine()
    const access_token = await sign('access', { ...genuine.claims.access, ...claim })
    const before = await dumpTables(env.DB)

    expect(await answer(await refreshWith({ access_token, refresh_token: genuine.refresh }))).toEqual(NOT_VALID.text)
    expect(await dumpTables(env.DB)).toEqual(before)
    await expectAlive(genuine)
  })

  test.each([
    ['its id', { id: 1_000_000 }],
    ['its guid', { guid: OTHER_GUID, sub: OTHER_GUID }],
  ])('by %s, is not active and ends nothing', async (_name, claim) => {
    const genuine = await openGenuine()
    const before = await dumpTables(env.DB)
    for (const type of TYPES) {
      const token = await sign(type, { ...genuine.claims[type], ...claim })
      const headers = { Authorization: `Bearer ${env.SERVICE_KEY}` }
      const asked = await counted.call('/auth/token/introspect', { method: 'POST', json: { token }, headers })
      expect(await asked.json()).toEqual({ active: false })
      expect((await counted.call('/auth/token/revoke', { method: 'POST', json: { token } })).status).toBe(204)
      const cookies = { access_token: token }
      expect((await counted.call('/auth/session', { method: 'DELETE', cookies })).status).toBe(204)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    // Nor does a sign-in in a browser that has it end the session, as it would end its own.
    const cookies = { access_token: await sign('access', { ...genuine.claims.access, ...claim }) }
    expect((await counted.call(`/${crypto.randomUUID()}`, { cookies })).status).toBe(200)
    await expectAlive(genuine)
  })
})

describe('the order of the checks', () => {
  const order: readonly (readonly [
    string,
    access: (g: Genuine) => string | Promise<string>,
    refresh: (g: Genuine) => string | Promise<string>,
    typeof MALFORMED,
  ])[] = [
    ['form before signature', (g) => signAsStranger('access', g.claims.access), () => 'x.y.z', MALFORMED],
    [
      'signature before claims',
      (g) => sign('access', { ...g.claims.access, sid: 5 }),
      (g) => signAsStranger('refresh', g.claims.refresh),
      NOT_VALID,
    ],
    [
      'claims before expiry',
      (g) => sign('access', { ...g.claims.access, sid: 5 }),
      (g) => sign('refresh', { ...g.claims.refresh, exp: 1 }),
      MALFORMED,
    ],
    [
      'expiry before pair',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, exp: 1 }),
      NOT_VALID,
    ],
    [
      'pair before use',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, sid: 'unknown' }),
      NOT_A_PAIR,
    ],
    [
      'pair before location',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, ip: ELSEWHERE }),
      NOT_A_PAIR,
    ],
  ]

  test.each(order)('is %s', async (_name, access, refresh, expected) => {
    const genuine = await openGenuine()
    const cookies = { access_token: await access(genuine), refresh_token: await refresh(genuine) }
    reset()

    expect(await answer(await refreshWith(cookies))).toEqual(expected.text)
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })
})

describe('a header', () => {
  // Design: "never change what is trusted". The key is ours and the signature good, so all of these are ours.
  test.each([
    ['no typ', { typ: undefined }],
    ['another spelling of typ', { typ: 'application/jwt' }],
    ['a key of a stranger', { jwk: STRANGER_JWK }],
    ['places to fetch keys from', { jku: 'https://evil.example/jwks.json', x5u: 'https://evil.example/x.pem' }],
    ['a field of its own', { x: { y: 1 } }],
  ])('with %s changes nothing about a good signature, and nothing is fetched', async (_name, extra) => {
    const fetched = vi.spyOn(globalThis, 'fetch')
    const { claims } = await openGenuine()

    for (const type of TYPES) {
      const token = await sign(type, claims[type], { ...ownHeader(type), ...extra })
      expect(await answer(await postToken('verify', token))).toEqual(GOOD)
    }
    expect(fetched).not.toHaveBeenCalled()
    fetched.mockRestore()
  })
})
