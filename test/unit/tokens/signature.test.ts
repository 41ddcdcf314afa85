/** Signatures: whose key signed a token, and that every character of it is covered. */

import { describe, expect, test } from 'vitest'

import type { RefreshClaims } from '../../../src/domain/tokens/claims.ts'
import { deriveKeys } from '../../../src/domain/tokens/keys.ts'
import { createTokens, parseToken, readClaims } from '../../../src/domain/tokens/tokens.ts'
import { accessClaims, check, PREVIOUS, refreshClaims, tokens, without } from '../../support/claims.ts'
import { decodeToken, encodePart, forge, testKeys, strangerKeys } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'

const beforeRotation = await deriveKeys(PREVIOUS, [])

describe('a signature', () => {
  test.each(['access', 'refresh'] as const)('of a previous secret verifies a %s token', async (type) => {
    const old = createTokens(beforeRotation)
    const token = await (type === 'access' ? old.sign(accessClaims) : old.sign(refreshClaims))
    await expect(check(type, token)).resolves.toBeUndefined()
  })

  test.each(['access', 'refresh'] as const)('of a secret that was dropped does not verify a %s token', async (type) => {
    const token = await (type === 'access' ? tokens.sign(accessClaims) : tokens.sign(refreshClaims))
    expect(await refusal(() => check(type, token, beforeRotation))).toEqual(refused('token_not_valid', 'kid'))
  })

  test('the same claims give the same refresh token, byte for byte, and never the same access token', async () => {
    const reordered = Object.fromEntries(Object.entries(refreshClaims)) as RefreshClaims
    expect(await tokens.sign(reordered)).toBe(await tokens.sign(refreshClaims))
    const [one, two] = [await tokens.sign(accessClaims), await tokens.sign(accessClaims)]
    expect(decodeToken(one)).toEqual(decodeToken(two))
    expect(one).not.toBe(two)
  })

  const accessKid = testKeys.access.signing.kid
  const refreshKid = testKeys.refresh.signing.kid
  const access = { alg: 'ES256', typ: 'JWT', kid: accessKid }
  const refresh = { alg: 'HS256', typ: 'JWT', kid: refreshKid }

  test.each([
    // RFC 8725 section 2.1: the algorithm is the key's, never the header's
    ['access', { ...access, alg: 'none' }, accessClaims, 'access', 'header'],
    ['access', { ...access, alg: 'HS256' }, accessClaims, 'access', 'header'],
    ['access', { ...access, alg: 'RS256' }, accessClaims, 'access', 'header'],
    ['access', { ...access, alg: 'es256' }, accessClaims, 'access', 'header'],
    ['access', { ...access, alg: ['ES256'] }, accessClaims, 'access', 'header'],
    ['access', without(access, 'alg'), accessClaims, 'access', 'header'],
    ['refresh', { ...refresh, alg: 'none' }, refreshClaims, 'refresh', 'header'],
    ['refresh', { ...refresh, alg: 'ES256' }, refreshClaims, 'refresh', 'header'],
    ['refresh', { ...refresh, alg: 'HS512' }, refreshClaims, 'refresh', 'header'],
    // the key is one of ours, of this type, by name
    ['access', without(access, 'kid'), accessClaims, 'access', 'kid'],
    ['access', { ...access, kid: '' }, accessClaims, 'access', 'kid'],
    ['access', { ...access, kid: null }, accessClaims, 'access', 'kid'],
    ['access', { ...access, kid: [accessKid] }, accessClaims, 'access', 'kid'],
    ['access', { ...access, kid: '__proto__' }, accessClaims, 'access', 'kid'],
    ['access', { ...access, kid: refreshKid }, accessClaims, 'access', 'kid'],
    ['refresh', { ...refresh, kid: accessKid }, refreshClaims, 'refresh', 'kid'],
    ['access', { ...access, kid: testKeys.jwks.keys[1]?.kid }, accessClaims, 'access', 'signature'],
    // nothing critical is understood (RFC 7515 section 4.1.11), and another type of token is none of ours
    ['access', { ...access, crit: ['exp'] }, accessClaims, 'access', 'header'],
    ['access', { ...access, typ: 'rt+jwt' }, accessClaims, 'access', 'header'],
    ['refresh', { ...refresh, typ: 'at+jwt' }, refreshClaims, 'refresh', 'header'],
    // one type does not pass for the other, even under the other's key
    ['access', refresh, refreshClaims, 'refresh', 'kid'],
    ['refresh', access, accessClaims, 'access', 'kid'],
    ['access', access, { ...refreshClaims }, 'access', 'type'],
    ['refresh', refresh, { ...accessClaims }, 'refresh', 'type'],
    ['access', access, { ...accessClaims, token_type: 'Access' }, 'access', 'type'],
  ] as const)('as %s under header %j is refused (%#)', async (type, header, payload, key, cause) => {
    const token = await forge(header, payload, testKeys[key].signing)
    expect(await refusal(() => check(type, token))).toEqual(refused('token_not_valid', cause))
  })

  test.each([
    ['jku', 'https://evil.example/jwks.json'],
    ['x5u', 'https://evil.example/cert.pem'],
    ['jwk', { ...strangerKeys.jwks.keys[0] }],
  ])('is not looked for in `%s`', async (name, value) => {
    const header = { ...access, [name]: value }
    const forged = await forge(header, accessClaims, strangerKeys.access.signing)
    expect(await refusal(() => check('access', forged))).toEqual(refused('token_not_valid', 'signature'))
    await expect(check('access', await forge(header, accessClaims, testKeys.access.signing))).resolves.toBeUndefined()
  })

  test('is judged before the times: a forged expired token is a forgery', async () => {
    const forged = await forge(access, { ...accessClaims, exp: 1 }, strangerKeys.access.signing)
    expect(await refusal(() => check('access', forged))).toEqual(refused('token_not_valid', 'signature'))
    await expect(check('access', await tokens.sign({ ...accessClaims, exp: 1 }))).resolves.toBeUndefined()
    await expect(check('access', await tokens.sign({ ...accessClaims, iat: 9e9 }))).resolves.toBeUndefined()
  })

  test('does not decide about a type of another shape: that is for the claims', async () => {
    const token = await forge(access, { ...accessClaims, token_type: 1 }, testKeys.access.signing)
    await expect(check('access', token)).resolves.toBeUndefined()
    expect(await refusal(() => readClaims('access', parseToken(token)))).toEqual(
      refused('wrong_data_structure', 'claims'),
    )
  })

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

  test('has one spelling, although decoders drop the spare bits of its last character', async () => {
    for (const [type, spellings] of [
      ['access', 16], // 64 bytes leave 4 spare bits
      ['refresh', 4], // 32 bytes leave 2
    ] as const) {
      const token = await (type === 'access' ? tokens.sign(accessClaims) : tokens.sign(refreshClaims))
      const start = token.slice(0, -1)
      const own = ALPHABET.indexOf(token.slice(-1))
      expect(own % spellings).toBe(0)
      for (let spare = 1; spare < spellings; spare += 1) {
        const other = `${start}${ALPHABET[own + spare]}`
        expect(Buffer.from(other.split('.')[2] ?? '', 'base64url').toString('base64url')).toBe(token.split('.')[2])
        expect(await refusal(() => check(type, other))).toEqual(refused('token_not_valid', 'signature'))
      }
      await expect(check(type, token)).resolves.toBeUndefined()
    }
  })

  test.each([
    ['nothing', ''],
    ['one character, which base64 does not have', 'A'],
    ['a byte less', 'less'],
    ['a byte more', 'more'],
    ['zeros', 'zeros'],
  ])('of %s is refused', async (_name, kind) => {
    for (const type of ['access', 'refresh'] as const) {
      const token = await (type === 'access' ? tokens.sign(accessClaims) : tokens.sign(refreshClaims))
      const [header, payload, signature = ''] = token.split('.')
      const bytes = Buffer.from(signature, 'base64url')
      const others: Record<string, string> = {
        less: encodePart(new Uint8Array(bytes.subarray(0, -1))),
        more: encodePart(new Uint8Array([...bytes, 0])),
        zeros: encodePart(new Uint8Array(bytes.length)),
      }
      const altered = `${header}.${payload}.${others[kind] ?? kind}`
      expect(await refusal(() => check(type, altered))).toEqual(refused('token_not_valid', 'signature'))
    }
  })

  test.each(['access', 'refresh'] as const)('covers every character of a %s token', async (type) => {
    const token = await (type === 'access' ? tokens.sign(accessClaims) : tokens.sign(refreshClaims))
    for (let i = 0; i < token.length; i += 1) {
      const altered = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`
      const { code } = await refusal(() => check(type, altered))
      expect(['token_not_valid', 'wrong_data_structure']).toContain(code)
    }
  })
})
