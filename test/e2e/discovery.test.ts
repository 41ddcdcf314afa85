/**
 * A service that knows nothing but the issuer's URL: it discovers where the keys are, fetches them over HTTP, and verifies with jose
 * what the Worker signed, under each setting of what signs access tokens.
 */

import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'

import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify, type JWTVerifyOptions } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { TEST_BINDINGS } from '../support/bindings.ts'

const root = join(import.meta.dirname, '../..')
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ACCESS_TOKEN_RSA_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const SETTINGS = [
  ['the defaults', {}, { alg: 'ES256', typ: 'JWT' }, ['ES256']],
  ['at+jwt', { ACCESS_TOKEN_TYP: 'at+jwt' }, { alg: 'ES256', typ: 'at+jwt' }, ['ES256']],
  ['RS256', { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY }, { alg: 'RS256', typ: 'JWT' }, ['RS256', 'ES256']],
  [
    'RS256 and at+jwt',
    { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY, ACCESS_TOKEN_TYP: 'at+jwt' },
    { alg: 'RS256', typ: 'at+jwt' },
    ['RS256', 'ES256'],
  ],
] as const

describe.each(SETTINGS)('with %s', (_name, settings, header, algorithms) => {
  let harness: TestHarness
  let issuer: string

  beforeAll(async () => {
    harness = createTestHarness({
      // As secrets, they go before a developer's own .dev.vars.
      workers: [
        { configPath: join(root, 'wrangler.toml'), secrets: { ...TEST_BINDINGS, AUDIENCE: 'api', ...settings } },
      ],
    })
    issuer = (await harness.listen()).url.origin
    await harness.getWorker<Env>().applyD1Migrations('DB')
  })

  afterAll(() => harness.close())

  test.each(['openid-configuration', 'oauth-authorization-server'])(
    'a service verifies by %s what a browser was given',
    async (name) => {
      const metadata = (await (await fetch(`${issuer}/.well-known/${name}`)).json()) as Record<string, string>
      expect([metadata['issuer'], metadata['id_token_signing_alg_values_supported']]).toEqual([issuer, algorithms])

      const cookies = (await fetch(`${issuer}/${crypto.randomUUID()}`)).headers.getSetCookie()
      const [access = '', refresh = ''] = ['access_token', 'refresh_token'].map(
        (cookie) => cookies.find((line) => line.startsWith(`${cookie}=`))?.split(/[=;]/)[1],
      )
      const keys = createRemoteJWKSet(new URL(metadata['jwks_uri'] ?? ''))
      const options: JWTVerifyOptions = { issuer, audience: 'api', algorithms: [...algorithms], typ: header.typ }
      const { payload } = await jwtVerify(access, keys, options)

      expect(payload).toMatchObject({ iss: issuer, aud: 'api', token_type: 'access' })
      expect(decodeProtectedHeader(access)).toMatchObject(header)
      await expect(jwtVerify(refresh, keys, { issuer })).rejects.toMatchObject({ code: 'ERR_JOSE_NOT_SUPPORTED' })
      // A verifier that was told of at+jwt tells an access token from any other by its header alone.
      expect(decodeProtectedHeader(refresh).typ).toBe('JWT')
    },
  )
})
