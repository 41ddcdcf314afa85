/** When a verifier fetches keys, and what it says while it cannot get any. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { deriveKeys, type Keys } from '../../../src/domain/tokens/keys.ts'
import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import type { KeySet } from '../../../src/verifier/key-set.ts'
import { createVerifier, type Verifier } from '../../../src/verifier/verifier.ts'
import { accessClaims, SECRET } from '../../support/claims.ts'
import { ISSUER, NOW } from '../../support/fakes.ts'
import { forge, strangerKeys } from '../../support/forge.ts'

const OTHER = 'An0th3rSecret/AnotherSecret+AnotherSecret='
const [old, next, announced, rotated] = await Promise.all([
  deriveKeys(SECRET, []),
  deriveKeys(OTHER, []),
  deriveKeys(SECRET, [OTHER]),
  deriveKeys(OTHER, [SECRET]),
])

let now: number
/** What the source has, and what becomes of the next fetches. */
let published: Keys
let isDown: boolean
let fetches: number
let verifier: Verifier

beforeEach(() => {
  now = NOW
  published = old
  isDown = false
  fetches = 0
  verifier = createVerifier({ issuer: ISSUER, keys: fetchKeys, now: () => now })
})

async function fetchKeys(): Promise<KeySet> {
  fetches += 1
  await new Promise((resolve) => {
    setTimeout(resolve, 1)
  })
  if (isDown) throw new Error('down')
  return { keys: published.jwks.keys, maxAgeSeconds: 300 }
}

/** A token of the deployment with these keys, signed now. */
function tokenOf(keys: Keys): Promise<string> {
  return createTokens(keys).sign({ ...accessClaims, iat: now, exp: now + 300 })
}

/** What becomes of a token: `good`, or the code and the cause of its refusal. */
async function judge(token: string): Promise<string> {
  const answer = await verifier.verify(token)
  return answer.ok ? 'good' : `${answer.code}: ${answer.cause}`
}

/** A token under a name that nobody has published. */
function forged(kid: string): Promise<string> {
  return forge({ alg: 'ES256', kid }, { ...accessClaims, exp: now + 300 }, strangerKeys.access.signing)
}

const DOWN = 'unavailable: keys'
const UNKNOWN = 'token_not_valid: kid'

describe('keys', () => {
  test('are fetched once for any number of verifications at once, and for their time', async () => {
    const token = await tokenOf(old)
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => judge(token))))).toEqual(new Set(['good']))
    expect(fetches).toBe(1)
    now += 299
    expect(await judge(await tokenOf(old))).toBe('good')
    expect(fetches).toBe(1)
    now += 1
    const late = await tokenOf(old)
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => judge(late))))).toEqual(new Set(['good']))
    expect(fetches).toBe(2)
  })

  test('are imported once, however often they are fetched', async () => {
    const importing = vi.spyOn(crypto.subtle, 'importKey')
    await judge(await tokenOf(old))
    now += 300
    published = announced
    await judge(await tokenOf(old))
    now += 300
    published = rotated
    await judge(await tokenOf(next))
    expect(importing.mock.calls.filter(([format]) => format === 'jwk')).toHaveLength(2)
    importing.mockRestore()
    expect(fetches).toBe(3)
  })

  test('are another ones after a rotation, of which no token is lost: they were published before they signed', async () => {
    expect(await judge(await tokenOf(old))).toBe('good')
    published = announced
    now += 300
    expect(await judge(await tokenOf(announced))).toBe('good')
    published = rotated
    expect(await judge(await tokenOf(rotated))).toBe('good')
    expect(await judge(await tokenOf(announced))).toBe('good')
    expect(fetches).toBe(2)
  })

  test('that are withdrawn verify nothing after their time', async () => {
    const token = await createTokens(old).sign({ ...accessClaims, exp: now + 10_000 })
    expect(await judge(token)).toBe('good')
    published = next
    now += 299
    expect(await judge(token)).toBe('good')
    now += 1
    expect(await judge(token)).toBe(UNKNOWN)
  })

  test('for half a minute at least, also where an answer does not say how long', async () => {
    for (const maxAgeSeconds of [0, -5, Number.NaN, undefined]) {
      let count = 0
      const source = async () => {
        count += 1
        return { keys: old.jwks.keys, maxAgeSeconds } as KeySet
      }
      verifier = createVerifier({ issuer: ISSUER, keys: source, now: () => now })
      const token = await tokenOf(old)
      await judge(token)
      now += 29
      expect(await judge(token)).toBe('good')
      expect(count).toBe(1)
      now += 1
      expect(await judge(token)).toBe('good')
      expect(count).toBe(2)
    }
  })
})

describe('a name that is not known', () => {
  test('leads to a fetch at once, which all who ask wait for: a key that signs before it was seen', async () => {
    await judge(await tokenOf(old))
    published = rotated
    now += 1
    const token = await tokenOf(next)
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => judge(token))))).toEqual(new Set(['good']))
    expect(fetches).toBe(2)
  })

  test('leads to one fetch in half a minute, however many there are', async () => {
    await judge(await tokenOf(old))
    for (let second = 0; second < 60; second += 1) {
      expect(await judge(await forged(`first ${second}`))).toBe(UNKNOWN)
      expect(await judge(await forged(`second ${second}`))).toBe(UNKNOWN)
      expect(await judge(await tokenOf(old))).toBe('good')
      now += 1
    }
    expect(fetches).toBe(1 + 2)
    const flood = await Promise.all(Array.from({ length: 100 }, (_, i) => forged(`flood ${i}`)))
    expect(new Set(await Promise.all(flood.map(judge)))).toEqual(new Set([UNKNOWN]))
    expect(fetches).toBe(1 + 3)
  })

  test('counts for the first fetch of all as well', async () => {
    expect(await judge(await forged('a'))).toBe(UNKNOWN)
    expect(await judge(await forged('b'))).toBe(UNKNOWN)
    expect(fetches).toBe(1)
  })

  test('delays a key that signs without being published before by half a minute at most', async () => {
    await judge(await tokenOf(old))
    await judge(await forged('a'))
    published = next
    expect(await judge(await tokenOf(next))).toBe(UNKNOWN)
    now += 30
    expect(await judge(await tokenOf(next))).toBe('good')
  })

  test('is no verdict while keys cannot be had: the next one may be good', async () => {
    await judge(await tokenOf(old))
    isDown = true
    published = rotated
    expect(await judge(await tokenOf(next))).toBe(DOWN)
    expect(await judge(await tokenOf(next))).toBe(DOWN)
    expect(await judge(await tokenOf(old))).toBe('good')
    expect(fetches).toBe(2)
    isDown = false
    now += 30
    expect(await judge(await tokenOf(next))).toBe('good')
  })
})

describe('a source that fails', () => {
  test('is unavailable where there are no keys, and is asked again after a second', async () => {
    isDown = true
    const token = await tokenOf(old)
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => judge(token))))).toEqual(new Set([DOWN]))
    expect(fetches).toBe(1)
    expect(await judge(token)).toBe(DOWN)
    expect(fetches).toBe(1)
    isDown = false
    now += 1
    expect(await judge(token)).toBe('good')
  })

  test('leaves the former keys in use for an hour, and is asked twice a minute', async () => {
    await judge(await tokenOf(old))
    isDown = true
    now += 300
    for (let half = 0; half < 119; half += 1) {
      expect(await judge(await tokenOf(old)), `${half}`).toBe('good')
      expect(await judge(await tokenOf(old))).toBe('good')
      now += 30
    }
    expect(fetches).toBe(1 + 119)
    now += 29
    expect(await judge(await tokenOf(old))).toBe('good')
    now += 1
    expect(await judge(await tokenOf(old))).toBe(DOWN)
    isDown = false
    now += 30
    expect(await judge(await tokenOf(old))).toBe('good')
  })

  test.each<readonly [string, () => Promise<KeySet | { readonly ok: false }>]>([
    ['gives a refusal', async () => ({ ok: false })],
    ['gives no key', async () => ({ keys: [], maxAgeSeconds: 300 })],
    ['gives no set', async () => ({ keys: 'none', maxAgeSeconds: 300 }) as unknown as KeySet],
    ['gives nothing', async () => null as unknown as KeySet],
    ['gives keys of no use', async () => ({ keys: UNUSABLE, maxAgeSeconds: 300 })],
    [
      'throws at once',
      () => {
        throw new Error('no')
      },
    ],
  ])('when it %s', async (_how, source) => {
    verifier = createVerifier({ issuer: ISSUER, keys: source, now: () => now })
    expect(await judge(await tokenOf(old))).toBe(DOWN)
  })

  test('may have keys of other kinds beside good ones', async () => {
    const keys = [...UNUSABLE, ...old.jwks.keys]
    verifier = createVerifier({ issuer: ISSUER, keys: async () => ({ keys, maxAgeSeconds: 300 }), now: () => now })
    expect(await judge(await tokenOf(old))).toBe('good')
  })

  test('when it is silent for 3 seconds', async () => {
    verifier = createVerifier({ issuer: ISSUER, keys: () => new Promise<never>(() => undefined), now: () => now })
    const begun = Date.now()
    expect(await judge(await tokenOf(old))).toBe(DOWN)
    expect(Date.now() - begun).toBeGreaterThan(2500)
    expect(Date.now() - begun).toBeLessThan(5000)
  })
})

/** Keys that are not of ES256 or RS256, are not for signatures, or say so wrongly. */
const UNUSABLE = [
  null as unknown as object,
  { ...old.jwks.keys[0], kid: 'no algorithm', alg: undefined },
  { ...old.jwks.keys[0], kid: 'another algorithm', alg: 'ES384' },
  { ...old.jwks.keys[0], kid: 'for encryption', use: 'enc' },
  { ...old.jwks.keys[0], kid: 'damaged', x: 'AAAA' },
  { kty: 'RSA', n: 'sXchTg'.repeat(57), e: 'AQAB', kid: 'of RSA, without an algorithm' },
  { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid: 'symmetric' },
  { kty: 'oct', k: 'c2VjcmV0', alg: 'ES256', kid: 'symmetric and lying' },
  { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', alg: 'EdDSA', kid: 'to come' },
]

describe('over HTTP', () => {
  let server: Server
  let issuer: string
  let asked: { readonly path: string | undefined; readonly tag: string | undefined }[]
  let answer: { status: number; headers: Record<string, string>; body: string }

  beforeEach(async () => {
    asked = []
    answer = {
      status: 200,
      headers: { 'Cache-Control': 'public, max-age=100', ETag: '"one"' },
      body: JSON.stringify(old.jwks),
    }
    server = createServer(({ url, headers }, response) => {
      asked.push({ path: url, tag: headers['if-none-match'] })
      const isKnown =
        headers['if-none-match'] !== undefined &&
        headers['if-none-match'] === answer.headers['ETag'] &&
        answer.status === 200
      response.writeHead(isKnown ? 304 : answer.status, answer.headers).end(isKnown ? '' : answer.body)
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth-service`
    verifier = createVerifier({ issuer, now: () => now })
  })

  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  function token(keys: Keys = old): Promise<string> {
    return createTokens(keys).sign({ ...accessClaims, iss: issuer, iat: now, exp: now + 300 })
  }

  test('they come from below the issuer, and are asked for again after their time, and whether they are others', async () => {
    expect(await judge(await token())).toBe('good')
    now += 99
    expect(await judge(await token())).toBe('good')
    expect(asked).toEqual([{ path: '/auth-service/.well-known/jwks.json', tag: undefined }])
    now += 1
    expect(await judge(await token())).toBe('good')
    now += 100
    answer = { ...answer, headers: { 'Cache-Control': 'max-age=100, public', ETag: '"two"' } }
    answer.body = JSON.stringify(rotated.jwks)
    expect(await judge(await token(next))).toBe('good')
    now += 100
    expect(await judge(await token(next))).toBe('good')
    expect(asked.map(({ tag }) => tag)).toEqual([undefined, '"one"', '"one"', '"two"'])
  })

  test('without a tag they are fetched whole, and a cache on the way has used some of their time', async () => {
    answer.headers = { 'Cache-Control': 'max-age=100', Age: '60' }
    await judge(await token())
    now += 39
    await judge(await token())
    expect(asked).toHaveLength(1)
    now += 1
    expect(await judge(await token())).toBe('good')
    expect(asked.map(({ tag }) => tag)).toEqual([undefined, undefined])
  })

  test.each([
    ['a failure', { status: 500 }],
    ['a page', { body: '<html>' }],
    ['another place', { status: 404 }],
    ['a failure that looks like keys', { status: 503 }],
    ['304 to nothing that was asked', { status: 304 }],
  ])('%s is no verdict on a token', async (_what, change) => {
    Object.assign(answer, change)
    expect(await judge(await token())).toBe(DOWN)
  })

  test('a failure is none either where there are keys yet: whether there is another one, nobody can tell', async () => {
    expect(await judge(await token())).toBe('good')
    for (const status of [404, 500, 503]) {
      answer = { ...answer, status }
      now += 30
      expect(await judge(await token(next))).toBe(DOWN)
      expect(await judge(await token())).toBe('good')
    }
  })

  test('a host that nobody answers at is no verdict on a token', async () => {
    server.closeAllConnections()
    await new Promise((resolve) => {
      server.close(resolve)
    })
    expect(await judge(await token())).toBe(DOWN)
  })
})
