/** Keys: what is derived from a secret, and what of it is public. */

import { createECDH, createHash, createHmac, hkdfSync } from 'node:crypto'

import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { subjectOf } from '../../../src/domain/accounts/attempts.ts'
import { deriveKeys } from '../../../src/domain/tokens/keys.ts'
import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import { GUID } from '../../support/accounts.ts'
import { accessClaims, PREVIOUS, refreshClaims, SECRET, tokens } from '../../support/claims.ts'
import { ISSUER, NOW } from '../../support/fakes.ts'
import { testKeys, strangerKeys } from '../../support/forge.ts'

const afterRotation = await deriveKeys('NextVw1Xy3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9NoRs6=', [SECRET])

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
    const ids = [testKeys, strangerKeys, afterRotation].flatMap((keys) => [
      ...keys.jwks.keys.map((key) => key.kid),
      ...[keys.refresh, keys.link, keys.ticket, keys.challenge].flatMap(({ verifying }) => [...verifying.keys()]),
    ])
    // `afterRotation` repeats all keys of SECRET, and nothing else is there twice.
    expect(ids).toHaveLength(25)
    expect(new Set(ids).size).toBe(20)
    expect(new Set([testKeys, strangerKeys, afterRotation].map((keys) => keys.jwks.keys[0]?.kid)).size).toBe(3)
  })

  test('the refresh token is signed with HMAC-SHA-256 under a label of its own', async () => {
    const token = await tokens.sign(refreshClaims)
    const [signed, signature] = [token.slice(0, token.lastIndexOf('.')), token.slice(token.lastIndexOf('.') + 1)]
    const key = derive(SECRET, 'refresh token HS256', 32)
    expect(signature).toBe(createHmac('sha256', key).update(signed).digest('base64url'))
  })

  test('the subject of an address is 128 bits of its HMAC-SHA-256, under a label of its own and the current secret alone', async () => {
    const key = derive(SECRET, 'subject of attempts HS256', 32)
    const expected = createHmac('sha256', key).update('zo\u00eb@example.com').digest().subarray(0, 16)
    expect(await subjectOf(testKeys.subject, 'zo\u00eb@example.com')).toBe(expected.toString('base64url'))
    expect(await subjectOf(afterRotation.subject, 'zo\u00eb@example.com')).not.toBe(expected.toString('base64url'))
  })

  test('no private key can leave the process', async () => {
    for (const key of [testKeys.access.signing, testKeys.refresh.signing, testKeys.subject]) {
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
