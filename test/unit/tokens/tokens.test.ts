/** Keys and tokens: what is derived, what is signed, what a presented token has to be, and in which order it is judged. */

import { createECDH, createHash, createHmac, hkdfSync } from 'node:crypto'
import { inspect } from 'node:util'

import * as fc from 'fast-check'
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { deriveKeys, type Keys } from '../../../src/domain/tokens/keys.ts'
import { signPair } from '../../../src/domain/sessions/pair.ts'
import type { AccessClaims, RefreshClaims, TokenType } from '../../../src/domain/tokens/claims.ts'
import {
  createTokens,
  parseToken,
  type ParsedToken,
  readClaims,
  requireCurrent,
} from '../../../src/domain/tokens/tokens.ts'
import { verifyToken } from '../../../src/domain/tokens/verify.ts'
import { type ErrorCode, ERRORS, TesseraError } from '../../../src/errors.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { DEFAULT_SETTINGS, ISSUER, NOW } from '../../support/fakes.ts'
import { decodeToken, encodePart, forge, testKeys } from '../../support/forge.ts'

const SECRET = TEST_BINDINGS.AUTH_SECRET
const PREVIOUS = TEST_BINDINGS.AUTH_SECRET_PREVIOUS
const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'

const tokens = createTokens(testKeys)
const stranger = await deriveKeys('StrangerVw1Xy3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9N=', [])
const beforeRotation = await deriveKeys(PREVIOUS, [])
const afterRotation = await deriveKeys('NextVw1Xy3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9NoRs6=', [SECRET])

const shared = {
  iss: ISSUER,
  sub: GUID,
  id: 7,
  guid: GUID,
  sid: 'session',
  jti: 'first',
  iat: NOW,
}
const accessClaims: AccessClaims = { ...shared, exp: NOW + 300, group: 'user', token_type: 'access' }
const refreshClaims: RefreshClaims = { ...shared, exp: NOW + 864_000, ip: '203.0.113.7', token_type: 'refresh' }

/** What a call refuses with, in full. */
async function refusal(attempt: () => unknown): Promise<{ code: ErrorCode; message: string; cause: unknown }> {
  try {
    await attempt()
  } catch (error) {
    if (!(error instanceof TesseraError)) throw error
    return { code: error.code, message: error.message, cause: error.cause }
  }
  throw new Error('not refused')
}

function refused(code: ErrorCode, cause: string) {
  return { code, message: ERRORS[code].details[0], cause }
}

function derive(secret: string, label: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `tessera v1 ${label}`, bytes))
}

/** The public key of a secret: 48 bytes modulo n - 1, plus 1, times the base point. */
function expectedJwk(secret: string): object {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const scalar = (BigInt(`0x${derive(secret, 'access token ES256', 48).toString('hex')}`) % (order - 1n)) + 1n
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(scalar.toString(16).padStart(64, '0'), 'hex')
  const point = curve.getPublicKey()
  const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')]
  const kid = createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url')
  return { kty: 'EC', crv: 'P-256', x, y, alg: 'ES256', use: 'sig', kid }
}

function without(claims: object, name: string): object {
  return Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))
}

async function check(type: TokenType, token: string, keys: Keys = testKeys): Promise<void> {
  await createTokens(keys).verifySignature(type, parseToken(token))
}

function tokenOf(payload: object): ParsedToken {
  return { text: '', header: {}, payload: { ...payload } }
}

function rows(table: Readonly<Record<string, readonly unknown[]>>): readonly (readonly [string, string, unknown])[] {
  return Object.entries(table).flatMap(([claim, values]) =>
    values.map((value) => [claim, inspect(value).replaceAll('\n', ''), value] as const),
  )
}

async function roundTrip(type: TokenType, token: string): Promise<unknown> {
  const parsed = parseToken(token)
  await tokens.verifySignature(type, parsed)
  return readClaims(type, parsed)
}

/** One part of a token, of these bytes. */
function encodeBytes(...values: number[]): string {
  return encodePart(Uint8Array.from(values))
}

describe('keys', () => {
  test('one secret gives the same keys every time, whatever came before it', async () => {
    const [first, second, alone] = [
      await deriveKeys(SECRET, [PREVIOUS]),
      await deriveKeys(SECRET, [PREVIOUS]),
      await deriveKeys(SECRET, []),
    ]
    expect(second.jwks).toEqual(first.jwks)
    expect([...second.refresh.verifying.keys()]).toEqual([...first.refresh.verifying.keys()])
    expect(alone.jwks.keys).toEqual([first.jwks.keys[0]])
    expect(alone.refresh.signing.kid).toBe(first.refresh.signing.kid)
  })

  // A new version has to verify the tokens of the one before: these are computed by other means, label by label.
  test('are what HKDF-SHA-256 and FIPS 186-5 A.2.1 make of each secret, the current one first', () => {
    expect(testKeys.jwks.keys).toEqual([SECRET, PREVIOUS].map(expectedJwk))
    expect([...testKeys.refresh.verifying.keys()]).toEqual(
      [SECRET, PREVIOUS].map((secret) => derive(secret, 'refresh token kid', 16).toString('base64url')),
    )
    expect(testKeys.access.signing.kid).toBe(testKeys.jwks.keys[0]?.kid)
  })

  test('every secret and every purpose has a key of its own', () => {
    const ids = [testKeys, stranger, afterRotation].flatMap((keys) => [
      ...keys.jwks.keys.map((key) => key.kid),
      ...keys.refresh.verifying.keys(),
    ])
    // `afterRotation` repeats both keys of SECRET, and nothing else is there twice.
    expect(ids).toHaveLength(10)
    expect(new Set(ids).size).toBe(8)
    expect(new Set([testKeys, stranger, afterRotation].map((keys) => keys.jwks.keys[0]?.x)).size).toBe(3)
  })

  test('the refresh token is signed with HMAC-SHA-256 under a label of its own', async () => {
    const token = await tokens.sign(refreshClaims)
    const [signed, signature] = [token.slice(0, token.lastIndexOf('.')), token.slice(token.lastIndexOf('.') + 1)]
    const key = derive(SECRET, 'refresh token HS256', 32)
    expect(signature).toBe(createHmac('sha256', key).update(signed).digest('base64url'))
  })

  test('no private key can leave the process', async () => {
    for (const key of [testKeys.access.signing, testKeys.refresh.signing]) {
      expect(key.extractable).toBe(false)
      await expect(crypto.subtle.exportKey('jwk', key)).rejects.toThrow()
    }
  })

  test('a kid is the RFC 7638 thumbprint, as jose computes it', async () => {
    for (const key of testKeys.jwks.keys) {
      expect(key.kid).toBe(await calculateJwkThumbprint({ ...key }, 'sha256'))
    }
  })

  test('jose verifies an access token with the JWKS alone, under this secret and after its rotation', async () => {
    const token = await tokens.sign(accessClaims)
    for (const { jwks } of [testKeys, afterRotation]) {
      const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys: [...jwks.keys] }), {
        algorithms: ['ES256'],
        issuer: ISSUER,
        subject: GUID,
        currentDate: new Date(NOW * 1000),
      })
      expect(payload).toEqual(accessClaims)
      expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid })
    }
  })

  test('a secret that is also listed as a previous one is published once: verifiers refuse two keys of one kid', async () => {
    const keys = await deriveKeys(SECRET, [SECRET, PREVIOUS])
    expect(keys.jwks).toEqual(testKeys.jwks)
    const token = await createTokens(keys).sign(accessClaims)
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...keys.jwks.keys] }), {
      currentDate: new Date(NOW * 1000),
    })
    expect(payload).toEqual(accessClaims)
  })
})

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
    ['access', { ...access, typ: 'at+jwt' }, accessClaims, 'access', 'header'],
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
    ['jwk', { ...stranger.jwks.keys[0] }],
  ])('is not looked for in `%s`', async (name, value) => {
    const header = { ...access, [name]: value }
    const forged = await forge(header, accessClaims, stranger.access.signing)
    expect(await refusal(() => check('access', forged))).toEqual(refused('token_not_valid', 'signature'))
    await expect(check('access', await forge(header, accessClaims, testKeys.access.signing))).resolves.toBeUndefined()
  })

  test('is judged before the times: a forged expired token is a forgery', async () => {
    const forged = await forge(access, { ...accessClaims, exp: 1 }, stranger.access.signing)
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

describe('the form', () => {
  const header = encodePart({ alg: 'ES256' })
  const payload = encodePart({ sub: 'x' })

  test.each([
    ['nothing', ''],
    ['a word', 'token'],
    ['an address', 'somebody@example.com'],
    ['two dots alone', '..'],
    ['one part', header],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${header}.${payload}.c2ln.c2ln`],
    ['five parts, an encrypted token', `${header}.a.b.c.d`],
    ['no header', `.${payload}.c2ln`],
    ['no payload', `${header}..c2ln`],
    ['a header that is no JSON', `${encodeBytes(123)}.${payload}.c2ln`],
    ['a payload that is no JSON', `${header}.${encodeBytes(0xff, 0xfe)}.c2ln`],
    ['an array for a header', `${encodePart([])}.${payload}.c2ln`],
    ['null for a header', `${encodePart(null)}.${payload}.c2ln`],
    ['an array for a payload', `${header}.${encodePart(['a'])}.c2ln`],
    ['null for a payload', `${header}.${encodePart(null)}.c2ln`],
    ['a text for a payload', `${header}.${encodePart('text')}.c2ln`],
    ['a number for a payload', `${header}.${encodePart(1)}.c2ln`],
    ['true for a payload', `${header}.${encodePart(true)}.c2ln`],
    ['JSON and something after it', `${header}.${encodeBytes(...Buffer.from('{}x'))}.c2ln`],
    ['JSON after a byte order mark', `${header}.${encodeBytes(0xef, 0xbb, 0xbf, ...Buffer.from('{}'))}.c2ln`],
    ['JSON that is not UTF-8', `${header}.${encodeBytes(...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}'))}.c2ln`],
    ['padding in the header', `${encodePart({ alg: 'x' })}=.${payload}.c2ln`],
    ['padding in the payload', `${header}.${encodePart({ a: 1 })}=.c2ln`],
    ['padding in the signature', `${header}.${payload}.c2lnbg==`],
    ['base64 with a plus', `${header}.${payload}.a+b=`],
    ['base64 with a slash', `${header}.${payload}.a/bc`],
    ['a space before', ` ${header}.${payload}.c2ln`],
    ['a space after', `${header}.${payload}.c2ln `],
    ['a line break after', `${header}.${payload}.c2ln\n`],
    ['a space in the payload', `${header}.${payload.slice(0, 3)} ${payload.slice(3)}.c2ln`],
    ['a line break in the header', `${header.slice(0, 3)}\n${header.slice(3)}.${payload}.c2ln`],
    ['the scheme in front', `Bearer ${header}.${payload}.c2ln`],
    ['quotes around', `"${header}.${payload}.c2ln"`],
    ['a header of a length that base64 does not have', `${header.slice(0, 4)}A.${payload}.c2ln`],
    ['letters beyond ASCII', `${header}.${payload}.ſ`],
    ['4097 characters', `${header}.${payload}.${'A'.repeat(4095 - header.length - payload.length)}`],
  ])('of %s is refused', async (_name, text) => {
    expect(await refusal(() => parseToken(text))).toEqual(refused('wrong_data_structure', 'form'))
  })

  test.each([
    ['a signature of any kind', `${header}.${payload}.c2ln`],
    ['no signature', `${header}.${payload}.`],
    ['an empty payload', `${header}.${encodePart({})}.c2ln`],
    ['4096 characters', `${header}.${payload}.${'A'.repeat(4094 - header.length - payload.length)}`],
  ])('of %s is a form, and nothing more is said', (_name, text) => {
    const parsed = parseToken(text)
    expect(parsed.text).toBe(text)
    expect(parsed.header).toEqual({ alg: 'ES256' })
  })

  test('keeps members whose names mean something to the language', () => {
    const raw = encodePart(new TextEncoder().encode('{"__proto__":{"token_type":"access"},"constructor":1}'))
    const { payload: members } = parseToken(`${header}.${raw}.c2ln`)
    expect(Object.keys(members)).toEqual(['__proto__', 'constructor'])
    expect(members['token_type']).toBeUndefined()
  })

  test('no text makes it throw anything but wrong_data_structure', () => {
    const base64url = fc.string({ unit: fc.constantFrom('A', 'B', 'a', 'Q', '0', '9', '-', '_'), maxLength: 40 })
    const part = fc.oneof(
      base64url,
      fc.json().map((text) => encodePart(new TextEncoder().encode(text))),
      fc.string(),
    )
    const seen = { parsed: 0, refused: 0 }
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
        ),
        (text) => {
          try {
            expect(parseToken(text).text).toBe(text)
            seen.parsed += 1
          } catch (error) {
            if (!(error instanceof TesseraError)) throw error
            expect([error.code, error.cause]).toEqual(['wrong_data_structure', 'form'])
            seen.refused += 1
          }
        },
      ),
      { numRuns: 1000, examples: [[`${header}.${payload}.c2ln`]] },
    )
    expect(seen.parsed).toBeGreaterThan(0)
    expect(seen.refused).toBeGreaterThan(0)
  })
})

describe('the claims', () => {
  const text = [null, undefined, 1, true, {}, []]
  const name = [...text, '', 'x'.repeat(65)]
  const seconds = [null, undefined, '1', true, {}, -1, 1.5, Number.NaN, Infinity, 2 ** 53]
  const guid = [...text, '', 'nobody', GUID.replaceAll('-', ''), `{${GUID}}`, `${GUID}0`, ` ${GUID}`, `${GUID}\n`]
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    iss: text,
    sub: guid,
    guid,
    id: [null, undefined, '7', true, {}, 0, -1, 1.5, 2 ** 53],
    sid: name,
    jti: name,
    iat: seconds,
    exp: seconds,
  }
  const wrongAccess = { ...wrong, token_type: [...text, 'refresh', 'ACCESS', ''], group: text, aud: [null, 1, {}, []] }
  const wrongRefresh = {
    ...wrong,
    token_type: [...text, 'access', 'REFRESH', ''],
    // Only what `canonicalAddress` writes was ever signed.
    ip: [...text, '', 'unknown', '203.0.113.07', '2001:DB8::1', '2001:db8:0:0:0:0:0:1', '::ffff:203.0.113.7', '::1%lo'],
  }

  test.each(rows(wrongAccess))('of an access token with %s = %s are refused', async (claim, _shown, value) => {
    const token = tokenOf({ ...accessClaims, [claim]: value })
    expect(await refusal(() => readClaims('access', token))).toEqual(refused('wrong_data_structure', 'claims'))
  })

  test.each(rows(wrongRefresh))('of a refresh token with %s = %s are refused', async (claim, _shown, value) => {
    const token = tokenOf({ ...refreshClaims, [claim]: value })
    expect(await refusal(() => readClaims('refresh', token))).toEqual(refused('wrong_data_structure', 'claims'))
  })

  test.each(Object.keys(accessClaims))('of an access token without %s are refused', async (claim) => {
    const token = tokenOf(without(accessClaims, claim))
    expect(await refusal(() => readClaims('access', token))).toEqual(refused('wrong_data_structure', 'claims'))
  })

  test.each(Object.keys(refreshClaims))('of a refresh token without %s are refused', async (claim) => {
    const token = tokenOf(without(refreshClaims, claim))
    expect(await refusal(() => readClaims('refresh', token))).toEqual(refused('wrong_data_structure', 'claims'))
  })

  test('are read in full, and what nobody asked for is left behind', () => {
    expect(readClaims('access', tokenOf({ ...accessClaims, admin: true }))).toEqual(accessClaims)
    expect(readClaims('access', tokenOf({ ...accessClaims, aud: 'api' }))).toEqual({ ...accessClaims, aud: 'api' })
    expect(readClaims('refresh', tokenOf({ ...refreshClaims, nbf: 9e9 }))).toEqual({ ...refreshClaims, nbf: 9e9 })
  })

  test.each([
    ['00000000-0000-0000-0000-000000000000'],
    ['ffffffff-ffff-ffff-ffff-ffffffffffff'],
    // a version and a variant that RFC 9562 does not have
    ['12345678-1234-f234-1234-123456789abc'],
  ])('take any guid, %s too, in lower case', (value) => {
    const { sub, guid: read } = readClaims(
      'access',
      tokenOf({ ...accessClaims, sub: value.toUpperCase(), guid: value }),
    )
    expect([sub, read]).toEqual([value, value])
  })
})

describe('the times', () => {
  test.each([
    [{ iat: NOW, exp: NOW + 1 }, null],
    [{ iat: NOW, exp: NOW }, 'out of its time'],
    [{ iat: NOW - 300, exp: NOW - 1 }, 'out of its time'],
    [{ iat: NOW + 60, exp: NOW + 300 }, null],
    [{ iat: NOW + 61, exp: NOW + 300 }, 'out of its time'],
    [{ iat: 0, exp: NOW + 1 }, null],
    [{ iat: NOW, exp: NOW + 1, nbf: NOW }, null],
    [{ iat: NOW, exp: NOW + 300, nbf: NOW + 1 }, 'out of its time'],
    // both: it is over, whenever it began
    [{ iat: NOW + 61, exp: NOW }, 'out of its time'],
  ])('%j', async (claims, cause) => {
    if (cause === null) expect(requireCurrent(claims, NOW)).toBeUndefined()
    else expect(await refusal(() => requireCurrent(claims, NOW))).toEqual(refused('token_not_valid', cause))
  })
})

describe('a pair', () => {
  const account = { id: 7, guid: GUID, email: 'somebody@example.com', group: 'staff' }
  const session = { sid: 'session', jti: 'first', issuedAt: NOW, expiresAt: NOW + 864_000, address: '203.0.113.7' }

  test('shows its session and its account, and no more', async () => {
    const pair = await signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, session, account)
    expect(decodeToken(pair.access)).toEqual({
      header: { alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid },
      payload: { ...accessClaims, group: 'staff' },
    })
    expect(decodeToken(pair.refresh)).toEqual({
      header: { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid },
      payload: refreshClaims,
    })
    expect([pair.account, pair.expiresAt]).toEqual([account, NOW + 864_000])
  })

  test.each([
    ['names the audience where one is configured', 'https://api.example.com', { aud: 'https://api.example.com' }],
    ['has no audience otherwise', undefined, {}],
  ])('%s, in the access token alone', async (_name, audience, expected) => {
    const settings = { ...DEFAULT_SETTINGS, audience }
    const { access, refresh } = await signPair({ settings, tokens }, ISSUER, session, account)
    expect(decodeToken(access).payload).toEqual({ ...accessClaims, group: 'staff', ...expected })
    expect(decodeToken(refresh).payload).toEqual(refreshClaims)
  })

  test.each([
    ['lasts its own time', NOW + 864_000, NOW + 300],
    ['lasts its own time when both end together', NOW + 300, NOW + 300],
    ['ends with its session', NOW + 299, NOW + 299],
  ])('its access token %s', async (_name, expiresAt, exp) => {
    const pair = await signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, { ...session, expiresAt }, account)
    expect(decodeToken(pair.access).payload['exp']).toBe(exp)
    expect(decodeToken(pair.refresh).payload['exp']).toBe(expiresAt)
  })

  test('is a function of its row: the refresh token byte for byte, the access token by its claims', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, { ...session }, { ...account })),
    )
    expect(two?.refresh).toBe(one?.refresh)
    expect(decodeToken(two?.access ?? '')).toEqual(decodeToken(one?.access ?? ''))
  })
})

describe('verification of one token', () => {
  const services = { tokens, now: () => NOW }

  test('returns for a good one of either type', async () => {
    await expect(verifyToken(services, await tokens.sign(accessClaims))).resolves.toBeUndefined()
    await expect(verifyToken(services, await tokens.sign(refreshClaims))).resolves.toBeUndefined()
  })

  test('pins what each type has to be by its key', async () => {
    const kids = { access: testKeys.access.signing.kid, refresh: testKeys.refresh.signing.kid }
    const asAccess = await forge({ alg: 'HS256', kid: kids.refresh }, accessClaims, testKeys.refresh.signing)
    expect(await refusal(() => verifyToken(services, asAccess))).toEqual(refused('token_not_valid', 'type'))
    const asRefresh = await forge({ alg: 'ES256', kid: kids.access }, refreshClaims, testKeys.access.signing)
    expect(await refusal(() => verifyToken(services, asRefresh))).toEqual(refused('token_not_valid', 'type'))
    const confused = await forge({ alg: 'HS256', kid: kids.access }, accessClaims, testKeys.refresh.signing)
    expect(await refusal(() => verifyToken(services, confused))).toEqual(refused('token_not_valid', 'kid'))
  })

  test.each(['access', 'refresh'] as const)(
    'tells a %s token with several faults about the first one',
    async (type) => {
      const good = type === 'access' ? accessClaims : refreshClaims
      const header = { alg: testKeys[type].alg, kid: testKeys[type].signing.kid }
      const expired = { ...good, exp: NOW }
      const malformed = without(expired, 'sid')
      const own = testKeys[type].signing
      const foreign = stranger[type].signing
      const attempts = [
        [`${await forge(header, malformed, foreign)}=`, 'wrong_data_structure', 'form'],
        [await forge(header, malformed, foreign), 'token_not_valid', 'signature'],
        [await forge(header, malformed, own), 'wrong_data_structure', 'claims'],
        [await forge(header, expired, own), 'token_not_valid', 'out of its time'],
      ] as const
      for (const [token, code, cause] of attempts) {
        expect(await refusal(() => verifyToken(services, token))).toEqual(refused(code, cause))
      }
    },
  )
})

describe('whatever was signed', () => {
  const claim = fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }).filter((text) => text.length <= 64)
  const time = fc.nat({ max: 2 ** 31 })
  const anyShared = {
    iss: fc.string({ unit: 'grapheme' }),
    sub: fc.uuid(),
    id: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    guid: fc.uuid(),
    sid: claim,
    jti: claim,
    iat: time,
    exp: time,
  }
  const anyAccess: fc.Arbitrary<AccessClaims> = fc.record(
    { ...anyShared, token_type: fc.constant('access' as const), group: fc.string({ unit: 'grapheme' }), aud: claim },
    { requiredKeys: ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'token_type', 'group'] },
  )
  const anyRefresh: fc.Arbitrary<RefreshClaims> = fc.record({
    ...anyShared,
    token_type: fc.constant('refresh' as const),
    ip: fc.ipV4(),
  })

  test('is read back', async () => {
    await fc.assert(
      fc.asyncProperty(anyAccess, anyRefresh, async (access, refresh) => {
        expect(await roundTrip('access', await tokens.sign(access))).toEqual(access)
        expect(await roundTrip('refresh', await tokens.sign(refresh))).toEqual(refresh)
      }),
      { numRuns: 60 },
    )
  })

  test('no error shows any of it', async () => {
    const marks = ['s3cr3t-iss', 's3cr3t-kid', 's3cr3t-sid']
    const claims = { ...accessClaims, iss: 's3cr3t-iss', sid: 's3cr3t-sid' }
    const header = { alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid }
    const presented = [
      `${await forge(header, claims, testKeys.access.signing)}=`,
      await forge({ ...header, kid: 's3cr3t-kid' }, claims, testKeys.access.signing),
      await forge({ ...header, alg: 's3cr3t-kid' }, claims, testKeys.access.signing),
      await forge({ ...header, crit: ['s3cr3t-kid'] }, claims, testKeys.access.signing),
      await forge(header, claims, stranger.access.signing),
      await forge(header, { ...claims, jti: { 's3cr3t-sid': 1 } }, testKeys.access.signing),
      await forge(header, { ...claims, token_type: 's3cr3t-sid' }, testKeys.access.signing),
      await forge(header, { ...claims, exp: 1 }, testKeys.access.signing),
      await forge(header, { ...claims, iat: NOW + 100 }, testKeys.access.signing),
    ]
    for (const token of presented) {
      const { message, cause } = await refusal(() => verifyToken({ tokens, now: () => NOW }, token))
      const shown = `${message} ${String(cause)} ${JSON.stringify(cause)}`
      for (const secret of [...marks, token, ...token.split('.')]) expect(shown).not.toContain(secret)
      // A word of ours: nothing that could bring a token along.
      expect(typeof cause).toBe('string')
    }
  })
})
