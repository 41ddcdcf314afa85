/** What gateways and frameworks configure themselves by, held against what this deployment does. */

import type { JSONWebKeySet } from 'jose'
import { describe, expect, test } from 'vitest'

import { answer, COMMON } from '../../support/answers.ts'
import { stopClock } from '../../support/clock.ts'
import { decodeToken } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { form, SERVICE } from '../../support/requests.ts'
import { newRsaKey } from '../../support/rsa.ts'
import { openByGuid } from '../../support/sessions.ts'
import { ORIGIN, type Overrides, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

const PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']
const CLAIMS = ['iss', 'sub', 'id', 'guid', 'group', 'sid', 'jti', 'iat', 'exp', 'token_type']

const METADATA = {
  issuer: ORIGIN,
  jwks_uri: `${ORIGIN}/.well-known/jwks.json`,
  introspection_endpoint: `${ORIGIN}/auth/token/introspect`,
  introspection_endpoint_auth_methods_supported: ['Bearer'],
  revocation_endpoint: `${ORIGIN}/auth/token/revoke`,
  revocation_endpoint_auth_methods_supported: ['none'],
  response_types_supported: [],
  grant_types_supported: [],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
  claims_supported: CLAIMS,
}

interface Metadata extends Record<keyof typeof METADATA, unknown> {
  readonly issuer: string
  readonly jwks_uri: string
  readonly introspection_endpoint: string
  readonly revocation_endpoint: string
}

async function discover(by: TestWorker = worker): Promise<Metadata> {
  return (await by.call('/.well-known/openid-configuration', { ip: null })).json()
}

describe('discovery', () => {
  test.each(PATHS)('says at %s what is true here and no more, for every page and every cache', async (path) => {
    expect(await answer(await worker.call(path, { ip: null }))).toEqual({
      status: 200,
      headers: {
        ...COMMON,
        'access-control-allow-origin': '*',
        'cache-control': 'public, max-age=300',
        'content-type': 'application/json',
        'cross-origin-resource-policy': 'cross-origin',
      },
      body: JSON.stringify(METADATA),
    })
  })

  test.each([
    [{}, ORIGIN],
    [{ PUBLIC_URL: 'auth.example.com', ISSUE_ACCESS: 'off' }, 'https://auth.example.com'],
    [
      { PUBLIC_URL: 'app.example.com', BASE_PATH: '/auth-service', ISSUE_ACCESS: 'off' },
      'https://app.example.com/auth-service',
    ],
  ] satisfies readonly (readonly [Overrides, string])[])(
    'stands below the issuer, and names it: %j',
    async (settings, expected) => {
      const { origin, pathname } = new URL(`${expected}/.well-known/openid-configuration`)
      const found = await startWorker(settings).call(pathname, { origin })
      const { issuer, jwks_uri } = await found.json<Metadata>()
      expect([issuer, jwks_uri]).toEqual([expected, `${expected}/.well-known/jwks.json`])
    },
  )

  test('names the issuer as tokens do, and the claims that they have', async () => {
    for (const settings of [{}, { AUDIENCE: 'api' }] satisfies readonly Overrides[]) {
      const by = startWorker(settings)
      const { issuer, claims_supported } = await discover(by)
      const { payload } = decodeToken((await openByGuid(undefined, {}, by)).access)
      expect(payload['iss']).toBe(issuer)
      expect(new Set(Object.keys(payload))).toEqual(new Set(claims_supported as string[]))
    }
  })

  test('names the algorithms of all keys, the one that signs first', async () => {
    const ACCESS_TOKEN_RSA_KEY = await newRsaKey()
    for (const [ACCESS_TOKEN_ALG, expected] of [
      ['ES256', ['ES256', 'RS256']],
      ['RS256', ['RS256', 'ES256']],
    ] as const) {
      const by = startWorker({ ACCESS_TOKEN_RSA_KEY, ACCESS_TOKEN_ALG })
      const { id_token_signing_alg_values_supported } = await discover(by)
      expect(id_token_signing_alg_values_supported).toEqual(expected)
      expect(decodeToken((await openByGuid(undefined, {}, by)).access).header['alg']).toBe(ACCESS_TOKEN_ALG)
    }
  })

  test('names endpoints that are there, and how to authenticate to each', async () => {
    const { jwks_uri, introspection_endpoint, revocation_endpoint } = await discover()
    const { access } = await openByGuid()
    const sent = form({ token: access })
    const send = (url: string, more = {}) =>
      worker.call(url.slice(ORIGIN.length), { ...sent, method: 'POST', headers: { ...sent.headers, ...more } })

    const keys = await (await worker.call(jwks_uri.slice(ORIGIN.length))).json<JSONWebKeySet>()
    expect(keys.keys).toHaveLength(2)
    expect((await send(introspection_endpoint)).status).toBe(401)
    expect(await (await send(introspection_endpoint, SERVICE)).json()).toMatchObject({ active: true })
    expect((await send(revocation_endpoint)).status).toBe(204)
    expect(await (await send(introspection_endpoint, SERVICE)).json()).toEqual({ active: false })
  })
})
