/** Claims: which a token of either type has to have, and when they are too old or too young. */

import { inspect } from 'node:util'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AccessClaims, RefreshClaims } from '../../../src/domain/tokens/claims.ts'
import { readClaims, requireCurrent } from '../../../src/domain/tokens/tokens.ts'
import { verifyToken } from '../../../src/domain/tokens/verify.ts'
import { GUID } from '../../support/accounts.ts'
import { accessClaims, refreshClaims, roundTrip, tokenOf, tokens, without } from '../../support/claims.ts'
import { NOW } from '../../support/fakes.ts'
import { forge, testKeys, strangerKeys } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'

function rows(table: Readonly<Record<string, readonly unknown[]>>): readonly (readonly [string, string, unknown])[] {
  return Object.entries(table).flatMap(([claim, values]) =>
    values.map((value) => [claim, inspect(value).replaceAll('\n', ''), value] as const),
  )
}

describe('the claims', () => {
  const text = [null, undefined, 1, true, {}, []]
  const name = [...text, '', 'x'.repeat(65)]
  const seconds = [null, undefined, '1', true, {}, -1, 1.5, Number.NaN, Infinity, 2 ** 53]
  const guid = [...text, '', 'nobody', GUID.replaceAll('-', ''), `{${GUID}}`, `${GUID}0`, ` ${GUID}`, `${GUID}\n`]
  const OTHER_GUID = '00000000-0000-4000-8000-000000000001'
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    iss: text,
    sub: [...guid, OTHER_GUID],
    guid: [...guid, OTHER_GUID],
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

function ofOneAccount<Claims extends { guid: string }>(claims: Claims) {
  return { ...claims, sub: claims.guid }
}

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
  const anyAccess: fc.Arbitrary<AccessClaims> = fc
    .record(
      { ...anyShared, token_type: fc.constant('access' as const), group: fc.string({ unit: 'grapheme' }), aud: claim },
      { requiredKeys: ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'token_type', 'group'] },
    )
    .map(ofOneAccount)
  const anyRefresh: fc.Arbitrary<RefreshClaims> = fc
    .record({
      ...anyShared,
      token_type: fc.constant('refresh' as const),
      ip: fc.ipV4(),
    })
    .map(ofOneAccount)

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
      await forge(header, claims, strangerKeys.access.signing),
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
