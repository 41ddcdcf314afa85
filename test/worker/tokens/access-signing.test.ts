/** Another algorithm or type of access tokens: nobody is signed out by the change, or by the change back. */

import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { answer, EMPTY_OK, NOT_VALID } from '../../support/answers.ts'
import { stopClock } from '../../support/clock.ts'
import { claimsOf, decodeToken } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { EXCHANGES, introspect, me, renew, verify } from '../../support/requests.ts'
import { damaged, newRsaKey, toPem } from '../../support/rsa.ts'
import { openByGuid, type Tokens } from '../../support/sessions.ts'
import { ORIGIN, type Overrides, startWorker, type TestWorker } from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn', 'error')

const [OLD, NEW] = await Promise.all([newRsaKey(), newRsaKey()])
const RS256 = { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY: OLD } satisfies Overrides
const ES256 = { ACCESS_TOKEN_ALG: 'ES256', ACCESS_TOKEN_RSA_KEY: OLD } satisfies Overrides

async function jwksOf(by: TestWorker): Promise<JSONWebKeySet> {
  return (await by.call('/.well-known/jwks.json')).json<JSONWebKeySet>()
}

/** Sees that a pair is good in every way under these settings, and gives what it was exchanged for. */
async function expectGood(pair: Tokens, by: TestWorker): Promise<Tokens> {
  expect(await answer(await verify(pair.access, by))).toEqual(EMPTY_OK)
  expect(await answer(await verify(pair.refresh, by))).toEqual(EMPTY_OK)
  expect((await me(pair.access, by)).status).toBe(200)
  expect(JSON.parse((await introspect(pair.access, by)).body)).toMatchObject({ active: true })
  const { payload } = await jwtVerify(pair.access, createLocalJWKSet(await jwksOf(by)), { issuer: ORIGIN })
  expect(payload).toEqual(claimsOf(pair.access))
  const { status, tokens } = await EXCHANGES.cookies(by, pair)
  if (tokens === null) throw new Error(`no pair in a ${status}`)
  return renew(tokens, {}, by)
}

function headersOf({ access, refresh }: Tokens) {
  return [access, refresh].map((token) => {
    const { alg, typ } = decodeToken(token).header
    return `${String(alg)} ${String(typ)}`
  })
}

describe('from one setting to another and back', () => {
  const before = startWorker()
  test.each([
    ['an RSA key that signs nothing yet', ES256, ['ES256 JWT', 'HS256 JWT']],
    ['RS256', RS256, ['RS256 JWT', 'HS256 JWT']],
    ['RS256, the key as PEM', { ...RS256, ACCESS_TOKEN_RSA_KEY: toPem(OLD) }, ['RS256 JWT', 'HS256 JWT']],
    ['at+jwt', { ACCESS_TOKEN_TYP: 'at+jwt' }, ['ES256 at+jwt', 'HS256 JWT']],
    ['both', { ...RS256, ACCESS_TOKEN_TYP: 'at+jwt' }, ['RS256 at+jwt', 'HS256 JWT']],
  ] satisfies readonly (readonly [string, Overrides, readonly string[]])[])(
    'a session lives on: %s',
    async (_name, settings, headers) => {
      const after = startWorker(settings)
      const first = await openByGuid(undefined, {}, before)
      expect(headersOf(first)).toEqual(['ES256 JWT', 'HS256 JWT'])

      const next = await expectGood(first, after)
      expect(headersOf(next)).toEqual(headers)
      // Back, the RSA key stays set until its tokens are over.
      const back = startWorker(
        headers[0]?.startsWith('RS256') ? { ...settings, ...ES256, ACCESS_TOKEN_TYP: 'JWT' } : {},
      )
      expect(headersOf(await expectGood(next, back))).toEqual(['ES256 JWT', 'HS256 JWT'])
    },
  )

  test('lists the key that signs first, and nothing private', async () => {
    const [ofRs256, ofEs256] = [await jwksOf(startWorker(RS256)), await jwksOf(startWorker(ES256))]
    expect(ofRs256.keys.map(({ alg }) => alg)).toEqual(['RS256', 'ES256', 'ES256'])
    expect(ofEs256.keys.map(({ alg }) => alg)).toEqual(['ES256', 'ES256', 'RS256'])
    expect(Object.keys(ofRs256.keys[0] ?? {})).toEqual(['kty', 'n', 'e', 'alg', 'use', 'kid'])
    expect(ofRs256.keys.slice(1)).toEqual((await jwksOf(startWorker())).keys)
  })

  test('a token of the RSA key is worth nothing once the key is taken away', async () => {
    const { access } = await openByGuid(undefined, {}, startWorker(RS256))
    expect(await answer(await verify(access, startWorker()))).toEqual(NOT_VALID)
  })
})

describe('the rotation of the RSA key', () => {
  const steps = [
    RS256,
    { ...RS256, ACCESS_TOKEN_RSA_KEY_PREVIOUS: `${NEW},${OLD}` },
    { ...RS256, ACCESS_TOKEN_RSA_KEY: NEW, ACCESS_TOKEN_RSA_KEY_PREVIOUS: `${NEW}, ${OLD}` },
    { ...RS256, ACCESS_TOKEN_RSA_KEY: NEW, ACCESS_TOKEN_RSA_KEY_PREVIOUS: '' },
  ].map((settings) => startWorker(settings))

  test('signs nobody out from one step to the next, and no verifier meets a key that it has not', async () => {
    for (const [i, current] of steps.entries()) {
      const next = steps[i + 1]
      if (next === undefined) break
      // The last step waits until what the old key signed is over.
      const pair = await openByGuid(undefined, {}, i === 2 ? current : (steps[0] ?? current))
      const { access } = await expectGood(pair, next)
      await expect(jwtVerify(access, createLocalJWKSet(await jwksOf(current)))).resolves.toBeDefined()
    }
  })
})

test('an RSA key whose numbers do not belong together is an error of the configuration, in one line that names it', async () => {
  const key = damaged(OLD)
  for (const [settings, name] of [
    [{ ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY: key }, 'ACCESS_TOKEN_RSA_KEY'],
    [{ ...RS256, ACCESS_TOKEN_RSA_KEY_PREVIOUS: `${NEW},${key}` }, 'ACCESS_TOKEN_RSA_KEY_PREVIOUS.1'],
  ] satisfies readonly (readonly [Overrides, string])[]) {
    logged.mockClear()
    expect((await startWorker(settings).call('/.well-known/jwks.json')).status).toBe(500)
    expect(logged.mock.calls).toEqual([[`Configuration: ${name} is damaged: it cannot be imported`]])
  }
})
