/** What access tokens are signed with: the algorithm and the type of choice, and that every key verifies by its own algorithm alone. */

import { createPublicKey } from 'node:crypto'

import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { signCompact } from '../../../src/domain/tokens/compact-jws.ts'
import { deriveKeys, type Keys } from '../../../src/domain/tokens/keys.ts'
import { importRsaKey, readPkcs8 } from '../../../src/domain/tokens/rsa-key.ts'
import type { AccessAlgorithm, AccessKey } from '../../../src/domain/tokens/token-key.ts'
import { createTokens, readEither } from '../../../src/domain/tokens/tokens.ts'
import { accessClaims, check, refreshClaims, SECRET, tokens } from '../../support/claims.ts'
import { NOW } from '../../support/fakes.ts'
import { decodeToken, forge, hmacKey, testKeys } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'
import { newRsaKey, toPem } from '../../support/rsa.ts'

const RSA = await newRsaKey()

async function importKey(base64: string): Promise<AccessKey> {
  const key = readPkcs8(base64)
  if (typeof key === 'string') throw new Error(key)
  return importRsaKey(key)
}

const [current, previous, stranger] = await Promise.all([
  importKey(RSA),
  importKey(await newRsaKey()),
  importKey(await newRsaKey()),
])
const both = (alg: AccessAlgorithm) => deriveKeys(SECRET, [], { alg, rsa: [current, previous] })
const underRs256 = await both('RS256')
const underEs256 = await both('ES256')
const kidOf = (alg: string, keys: Keys = underRs256) => keys.jwks.keys.find((key) => key.alg === alg)?.kid

describe('the algorithm of access tokens', () => {
  test('is that of the first key of the JWKS, which has all of them', async () => {
    const algorithms = [underEs256, underRs256].map(({ jwks }) => jwks.keys.map(({ alg }) => alg))
    expect(algorithms).toEqual([
      ['ES256', 'RS256', 'RS256'],
      ['RS256', 'RS256', 'ES256'],
    ])
    for (const keys of [underEs256, underRs256]) {
      const { header } = decodeToken(await createTokens(keys).sign(accessClaims))
      expect(header).toEqual({ alg: keys.jwks.keys[0]?.alg, typ: 'JWT', kid: keys.jwks.keys[0]?.kid })
    }
  })

  test('does not matter to verification: a token of either is good under either', async () => {
    for (const from of [underEs256, underRs256]) {
      const token = await createTokens(from).sign(accessClaims)
      for (const under of [underEs256, underRs256]) {
        await expect(check('access', token, under)).resolves.toBeUndefined()
        expect(await readEither(createTokens(under), token)).toEqual(accessClaims)
        const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...under.jwks.keys] }), {
          currentDate: new Date(NOW * 1000),
        })
        expect(payload).toEqual(accessClaims)
      }
    }
  })

  test('is not that of refresh tokens: those stay what they are, byte for byte', async () => {
    expect(await createTokens(underRs256, 'at+jwt').sign(refreshClaims)).toBe(await tokens.sign(refreshClaims))
  })

  test('keeps a token of a previous RSA key good, and none of a key that was taken away', async () => {
    const old = await deriveKeys(SECRET, [], { alg: 'RS256', rsa: [previous] })
    const token = await createTokens(old).sign(accessClaims)
    await expect(check('access', token, underRs256)).resolves.toBeUndefined()
    expect(await refusal(() => check('access', token))).toEqual(refused('token_not_valid', 'kid'))
  })

  test('has a key that is listed twice once in the JWKS', async () => {
    const { jwks } = await deriveKeys(SECRET, [], { alg: 'RS256', rsa: [current, previous, current] })
    expect(jwks).toEqual(underRs256.jwks)
  })

  test('needs a key of its own', async () => {
    await expect(deriveKeys(SECRET, [], { alg: 'RS256', rsa: [] })).rejects.toThrow(RangeError)
  })
})

const pem = createPublicKey(toPem(RSA)).export({ type: 'spki', format: 'pem' }).toString()
const hmacOfPem = await hmacKey(pem)

describe('a key', () => {
  const [ec, rsa] = [
    { alg: 'ES256', kid: kidOf('ES256') },
    { alg: 'RS256', kid: kidOf('RS256') },
  ]
  const ecKey = testKeys.access.signing
  const rsaKey = current.signing

  test.each([
    ['RS256 over the signature of the EC key, under its kid', { ...ec, alg: 'RS256' }, ecKey, 'header'],
    ['RS256 over the signature of the RSA key, under the kid of the EC key', { ...ec, alg: 'RS256' }, rsaKey, 'header'],
    ['ES256 over the signature of the RSA key, under its kid', { ...rsa, alg: 'ES256' }, rsaKey, 'header'],
    ['ES256 over the signature of the EC key, under the kid of the RSA key', { ...rsa, alg: 'ES256' }, ecKey, 'header'],
    ['the kid of the EC key over the signature of the RSA key', ec, rsaKey, 'signature'],
    ['the kid of the RSA key over the signature of the EC key', rsa, ecKey, 'signature'],
    ['RS384', { ...rsa, alg: 'RS384' }, rsaKey, 'header'],
    ['PS256', { ...rsa, alg: 'PS256' }, rsaKey, 'header'],
    ['HS256', { ...rsa, alg: 'HS256' }, rsaKey, 'header'],
    ['none', { ...rsa, alg: 'none' }, rsaKey, 'header'],
    ['no alg', { kid: rsa.kid }, rsaKey, 'header'],
    ['the RSA key of a stranger, under our kid', rsa, stranger.signing, 'signature'],
    ['the RSA key of a stranger, under its kid', { ...rsa, kid: stranger.jwk.kid }, stranger.signing, 'kid'],
    ['the kid of the previous RSA key', { ...rsa, kid: previous.jwk.kid }, rsaKey, 'signature'],
    ['HS256 with the public RSA key for a secret', { ...rsa, alg: 'HS256' }, hmacOfPem, 'header'],
  ] as const)('has one algorithm: refused is %s', async (_name, header, key, cause) => {
    for (const keys of [underEs256, underRs256]) {
      const token = await forge(header, accessClaims, key)
      expect(await refusal(() => check('access', token, keys))).toEqual(refused('token_not_valid', cause))
    }
    await expect(check('access', await forge(rsa, accessClaims, rsaKey), underEs256)).resolves.toBeUndefined()
  })

  test('for access tokens verifies no refresh token, whatever the algorithm', async () => {
    const asRefresh = await forge(rsa, refreshClaims, rsaKey)
    expect(await refusal(() => check('refresh', asRefresh, underRs256))).toEqual(refused('token_not_valid', 'kid'))
    const asEither = () => readEither(createTokens(underRs256), asRefresh)
    expect(await refusal(asEither)).toEqual(refused('token_not_valid', 'type'))
    const symmetric = await forge({ ...rsa, alg: 'HS256' }, accessClaims, hmacOfPem)
    expect(await refusal(() => readEither(createTokens(underRs256), symmetric))).toEqual(
      refused('token_not_valid', 'kid'),
    )
  })
})

function own(type: 'access' | 'refresh' | 'link') {
  const { alg, kid } = testKeys[type].signing
  return { alg, kid }
}

describe('the type of access tokens', () => {
  test.each(['ES256', 'RS256'] as const)(
    'is at+jwt where that was chosen, and good under either choice: %s',
    async (alg) => {
      const keys = await both(alg)
      const chosen = createTokens(keys, 'at+jwt')
      const token = await chosen.sign(accessClaims)
      const { jwks } = keys

      expect(decodeToken(token)).toEqual({
        header: { alg, typ: 'at+jwt', kid: jwks.keys[0]?.kid },
        payload: accessClaims,
      })
      for (const by of [chosen, createTokens(keys)]) {
        expect(await readEither(by, token)).toEqual(accessClaims)
        expect(await readEither(by, await createTokens(keys).sign(accessClaims))).toEqual(accessClaims)
      }
      const options = { typ: 'at+jwt', currentDate: new Date(NOW * 1000) }
      const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...jwks.keys] }), options)
      expect(payload).toEqual(accessClaims)
    },
  )

  test('may hold letters beyond ASCII in what it signs', async () => {
    const claims = { ...accessClaims, group: 'Büro 🏢' }
    const chosen = createTokens(testKeys, 'at+jwt')
    expect(await readEither(chosen, await chosen.sign(claims))).toEqual(claims)
  })

  test('is the only difference to what hono/jwt signs', async () => {
    expect(await signCompact('JWT', refreshClaims, testKeys.refresh.signing)).toBe(await tokens.sign(refreshClaims))
  })

  const linkClaims = { token_type: 'link', purpose: 'end-sessions', nid: 'mail', iat: NOW, exp: NOW + 60 }

  test.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt'])(
    'may be %s, and that of no other token',
    async (typ) => {
      const { access, refresh, link } = testKeys
      const token = await forge({ ...own('access'), typ }, accessClaims, access.signing)
      await expect(check('access', token)).resolves.toBeUndefined()
      const others = [
        ['refresh', await forge({ ...own('refresh'), typ }, refreshClaims, refresh.signing)],
        ['link', await forge({ ...own('link'), typ }, linkClaims, link.signing)],
      ] as const
      for (const [type, other] of others) {
        expect(await refusal(() => check(type, other))).toEqual(refused('token_not_valid', 'header'))
        const untyped = await forge(own(type), type === 'refresh' ? refreshClaims : linkClaims, testKeys[type].signing)
        await expect(check(type, untyped)).resolves.toBeUndefined()
      }
    },
  )

  test.each([
    'at',
    'at+jwt+x',
    'xat+jwt',
    'rt+jwt',
    'application/at',
    'text/at+jwt',
    'at jwt',
    '+jwt',
    'at+jwt ',
    ['at+jwt'],
  ])('is not %j', async (typ) => {
    const token = await forge({ ...own('access'), typ }, accessClaims, testKeys.access.signing)
    expect(await refusal(() => check('access', token))).toEqual(refused('token_not_valid', 'header'))
  })
})
