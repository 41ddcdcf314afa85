/** The public keys, and the tokens of a secret that was replaced. */

import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { answer, COMMON, EMPTY_OK, NOT_VALID } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { stopClock } from '../../support/clock.ts'
import { claimsOf, decodeToken, testKeys } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { refreshByJson, verify } from '../../support/requests.ts'
import { openByGuid, type Tokens } from '../../support/sessions.ts'
import { ORIGIN, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('GET /.well-known/jwks.json', () => {
  const JWK = { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }
  const coordinate = expect.stringMatching(/^[\w-]{43}$/) as string

  test('lists the public keys, the current one first, and nothing private', async () => {
    const response = await worker.call('/.well-known/jwks.json', { ip: null })

    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toEqual({
      ...COMMON,
      'cache-control': 'public, max-age=300',
      etag: `"${testKeys.jwks.keys.map(({ kid }) => kid).join('.')}"`,
      'content-type': 'application/json',
      // Every page may read them.
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
    })
    const { keys, ...rest } = await response.json<JSONWebKeySet>()
    expect(rest).toEqual({})
    expect(keys).toEqual([
      { ...JWK, x: coordinate, y: coordinate, kid: coordinate },
      { ...JWK, x: coordinate, y: coordinate, kid: coordinate },
    ])
    expect(keys.map((key) => key.kid)).toEqual(testKeys.jwks.keys.map((key) => key.kid))
    expect(await Promise.all(keys.map((key) => calculateJwkThumbprint(key)))).toEqual(keys.map((key) => key.kid))
  })

  test('is sent again only where it has changed', async () => {
    const tag = (await worker.call('/.well-known/jwks.json')).headers.get('ETag') ?? ''
    for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const same = await worker.call('/.well-known/jwks.json', { headers: { 'If-None-Match': known } })
      expect([same.status, await same.text(), same.headers.get('ETag')]).toEqual([304, '', tag])
      expect(same.headers.get('Access-Control-Allow-Origin')).toBe('*')
    }
    for (const other of ['"x"', '', tag.slice(0, -2)]) {
      const changed = await worker.call('/.well-known/jwks.json', { headers: { 'If-None-Match': other } })
      expect(changed.status).toBe(200)
    }
    const after = startWorker({ AUTH_SECRET_PREVIOUS: '' })
    expect((await after.call('/.well-known/jwks.json', { headers: { 'If-None-Match': tag } })).status).toBe(200)
  })

  test('is what another service verifies an access token with', async () => {
    const audience = startWorker({ AUDIENCE: 'api' })
    const { guid, access, refresh: token } = await openByGuid(undefined, {}, audience)
    const keys = createLocalJWKSet(await jwksOf(audience))
    const options = { issuer: ORIGIN, audience: 'api', subject: guid, requiredClaims: ['exp', 'iat', 'jti'] }

    expect((await jwtVerify(access, keys, options)).payload).toEqual(claimsOf(access))
    await expect(jwtVerify(token, keys, options)).rejects.toMatchObject({ code: 'ERR_JOSE_NOT_SUPPORTED' })
  })
})

async function jwksOf(by: TestWorker): Promise<JSONWebKeySet> {
  return (await by.call('/.well-known/jwks.json')).json<JSONWebKeySet>()
}

describe('AUTH_SECRET_PREVIOUS', () => {
  const { AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: OLD } = TEST_BINDINGS
  const OLDEST = 'Vt2w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
  const before = startWorker({ AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '' })

  test.each([
    ['alone', OLD],
    ['among others', `${OLDEST}, ${OLD}`],
  ])('keeps the tokens of an old secret good, %s', async (_name, previous) => {
    const after = startWorker({ AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: previous })
    const [one, two] = [await openByGuid(undefined, {}, before), await openByGuid(undefined, {}, before)]

    expect(await answer(await verify(one.access, after))).toEqual(EMPTY_OK)
    expect(await answer(await verify(one.refresh, after))).toEqual(EMPTY_OK)
    const keys = createLocalJWKSet(await jwksOf(after))
    expect((await jwtVerify(one.access, keys)).payload).toEqual(claimsOf(one.access))
    const next = (await (await refreshByJson(one.refresh, {}, after)).json()) as Tokens
    expect(decodeToken(next.access).header).toEqual({ alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid })
    expect(decodeToken(next.refresh).header).toEqual({ alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid })
    const cookies = { access_token: two.access, refresh_token: two.refresh }
    expect((await after.call('/refresh', { cookies })).status).toBe(200)
  })

  test('lists the public keys of both secrets', async () => {
    const [current, ...older] = (await jwksOf(startWorker())).keys

    expect((await jwksOf(before)).keys).toEqual(older)
    expect((await jwksOf(startWorker({ AUTH_SECRET_PREVIOUS: '' }))).keys).toEqual([current])
  })

  test('ends the tokens of an old secret when it is taken away', async () => {
    const { access, refresh: token } = await openByGuid(undefined, {}, before)
    const after = startWorker({ AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: '' })

    expect(await answer(await verify(access, after))).toEqual(NOT_VALID)
    expect(await answer(await verify(token, after))).toEqual(NOT_VALID)
    expect(await answer(await refreshByJson(token, {}, after))).toEqual(NOT_VALID)
    expect((await refreshByJson(token, {}, before)).status).toBe(200)
  })
})

async function kids(by: TestWorker): Promise<readonly unknown[]> {
  return (await jwksOf(by)).keys.map(({ kid }) => kid)
}

describe('AUTH_SECRET_NEXT', () => {
  const { AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: OLD } = TEST_BINDINGS
  const before = startWorker({ AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '' })
  const published = startWorker({ AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '', AUTH_SECRET_NEXT: NEW })

  test('is listed behind the current key, and signs nothing', async () => {
    expect(await kids(published)).toEqual((await kids(startWorker())).toReversed())
    const { access, refresh } = await openByGuid(undefined, {}, published)
    expect(decodeToken(access).header).toMatchObject({ kid: (await kids(before))[0] })
    expect((await refreshByJson(refresh, {}, before)).status).toBe(200)
  })

  test('is refused where it is a service key', async () => {
    const { SERVICE_KEY } = TEST_BINDINGS
    expect((await startWorker({ AUTH_SECRET_NEXT: SERVICE_KEY }).call('/healthz')).status).toBe(503)
  })
})
