/** RSA keys: in which forms they may be set, and what becomes of one. */

import { createPublicKey, generateKeyPairSync, createPrivateKey } from 'node:crypto'

import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'

import { importRsaKey, NOT_PKCS8, type Pkcs8, readPkcs8, WRONG_SIZE } from '../../../src/domain/tokens/rsa-key.ts'
import { newRsaKey, toPem } from '../../support/rsa.ts'

const KEY = await newRsaKey()
const LONGEST = await newRsaKey(4096)
const PEM = toPem(KEY)
const DER = new Uint8Array(Buffer.from(KEY, 'base64'))

function read(text: string): Pkcs8 {
  const key = readPkcs8(text)
  if (typeof key === 'string') throw new Error(key)
  return key
}

describe('an RSA key', () => {
  test.each([
    ['base64 of its DER', KEY],
    ['base64 with a line break after it', `${KEY}\n`],
    ['base64 in lines', (KEY.match(/.{1,76}/g) ?? []).join('\n')],
    ['PEM', PEM],
    ['PEM with the line breaks of Windows', toPem(KEY, '\r\n')],
    ['PEM with \\n for line breaks', toPem(KEY, String.raw`\n`)],
    ['PEM in one line, with spaces for line breaks', toPem(KEY, ' ')],
    ['PEM with spaces around', `  ${PEM}\n\n`],
  ])('may be %s', (_name, text) => {
    expect(readPkcs8(text)).toEqual(DER)
  })

  test('may have 2048 to 4096 bits', async () => {
    for (const key of [await newRsaKey(3072), LONGEST]) {
      expect(readPkcs8(key)).toEqual(new Uint8Array(Buffer.from(key, 'base64')))
    }
  })

  const rsa = createPrivateKey(PEM)
  const { privateKey: elliptic } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { privateKey: pss } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'secret' }

  test.each([
    ['nothing', ''],
    ['a word', 'secret'],
    ['what is no base64', '%%%'],
    ['a key of the older form, PKCS#1', rsa.export({ type: 'pkcs1', format: 'pem' })],
    ['PKCS#1 in base64', rsa.export({ type: 'pkcs1', format: 'der' }).toString('base64')],
    ['an encrypted key', rsa.export({ type: 'pkcs8', format: 'pem', ...cipher })],
    ['a public key', createPublicKey(PEM).export({ type: 'spki', format: 'pem' })],
    ['a public key in base64', createPublicKey(PEM).export({ type: 'spki', format: 'der' }).toString('base64')],
    ['a key of P-256', elliptic.export({ type: 'pkcs8', format: 'pem' })],
    ['a key for RSA-PSS', pss.export({ type: 'pkcs8', format: 'pem' })],
    ['PEM of another label', toPem(KEY, '\n', 'RSA PRIVATE KEY')],
    ['PEM without its last line', PEM.slice(0, PEM.indexOf('-----END'))],
    ['PEM that lost a line', PEM.replace(/\n.{64}\n(?=.{64}\n-*)/, '\n')],
    ['a key cut at its end', KEY.slice(0, -8)],
    ['a key with something after it', Buffer.from([...DER, 0]).toString('base64')],
    ['two keys', `${PEM}${PEM}`],
    ['the base64 of PEM', btoa(PEM)],
  ])('is not %s', (_name, text) => {
    expect(readPkcs8(text.toString())).toBe(NOT_PKCS8)
  })

  test('of fewer than 2048 or more than 4096 bits is refused for that', async () => {
    for (const bits of [1024, 2040]) expect(readPkcs8(await newRsaKey(bits))).toBe(WRONG_SIZE)
    // The length of the modulus, in bytes and with its leading zero, one byte more than that of 4096 bits.
    const hex = Buffer.from(LONGEST, 'base64').toString('hex')
    expect(hex).toContain('0282020100')
    const longer = Buffer.from(hex.replace('0282020100', '0282020200'), 'hex').toString('base64')
    expect(readPkcs8(longer)).toBe(WRONG_SIZE)
  })

  test('becomes a public JWK that is named by its thumbprint, as Node and jose have them', async () => {
    const { jwk, signing } = await importRsaKey(read(KEY))
    const { n, e } = createPublicKey(PEM).export({ format: 'jwk' })

    expect(jwk).toEqual({ kty: 'RSA', n, e, alg: 'RS256', use: 'sig', kid: jwk.kid })
    expect(jwk.kid).toBe(await calculateJwkThumbprint({ ...jwk }, 'sha256'))
    expect([signing.alg, signing.kid]).toEqual(['RS256', jwk.kid])
  })

  test('cannot leave the process', async () => {
    const { signing } = await importRsaKey(read(KEY))
    expect(signing.extractable).toBe(false)
    await expect(crypto.subtle.exportKey('pkcs8', signing)).rejects.toThrow()
  })
})
