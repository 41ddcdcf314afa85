/** DPoP proofs, made by jose: the good ones in every spelling that is one, and whatever is wrong with the others. */

import { EmbeddedJWK, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { thumbprintOf } from '../../../src/domain/tokens/device-key.ts'
import { readDpopProof } from '../../../src/domain/tokens/dpop.ts'
import { createProvingClient, type ProofChanges } from '../../support/dpop.ts'
import { NOW } from '../../support/fakes.ts'

const REFRESH_URL = 'https://auth.example.com/base/auth/token/refresh'
const TARGET = { method: 'POST', url: REFRESH_URL }
const client = await createProvingClient()
const other = await createProvingClient()
const KEY = `${client.jwk.x}.${client.jwk.y}`

function prove(changes: ProofChanges = {}, iat = NOW) {
  return client.prove('POST', REFRESH_URL, iat, changes)
}

function read(text: string, now = NOW) {
  return readDpopProof(text, TARGET, now)
}

describe('a good proof', () => {
  test('shows the key that signed it, as another library reads it', async () => {
    const text = await prove()
    expect(await read(text)).toEqual({ key: KEY, id: expect.any(String), isFresh: true })
    expect(await thumbprintOf(`${client.jwk.x}.${client.jwk.y}`)).toBe(client.thumbprint)
    expect(
      (await jwtVerify(text, EmbeddedJWK, { typ: 'dpop+jwt', currentDate: new Date(NOW * 1000) })).payload['htu'],
    ).toBe(REFRESH_URL)
  })

  test.each([
    ['its query and its fragment', `${REFRESH_URL}?a=1#b`],
    ['the port that https has anyway', 'https://auth.example.com:443/base/auth/token/refresh'],
    ['capitals in its host', 'https://AUTH.Example.com/base/auth/token/refresh'],
    ['capitals in its scheme', 'HTTPS://auth.example.com/base/auth/token/refresh'],
    ['characters that need no escape', 'https://auth.example.com/base/%61uth/token/r%65fresh'],
    ['dots in its path', 'https://auth.example.com/base/x/../auth/./token/refresh'],
  ])('may have %s in its URL', async (_what, htu) => {
    expect(await read(await prove({ payload: { htu } }))).toEqual({ key: KEY, id: expect.any(String), isFresh: true })
  })

  test.each([
    ['an `ath`, of which a refresh has no use', { payload: { ath: 'x' } }],
    ['a nonce that nobody asked for', { payload: { nonce: 'x' } }],
    ['an `exp` that was just over', { payload: { exp: NOW - 59 } }],
    ['an `nbf` by a clock that is fast', { payload: { nbf: NOW + 60 } }],
    ['a `kid` beside its key', { header: { kid: 'mine' } }],
    ['more members in its key', { header: { jwk: { ...client.jwk, use: 'sig', kid: 'a', alg: 'ES256' } } }],
    ['a `jti` as long as it may be', { payload: { jti: 'j'.repeat(256) } }],
    ['a part of a second', { payload: { iat: NOW + 0.5 } }],
  ])('may have %s', async (_what, changes) => {
    expect(await read(await prove(changes))).toEqual({ key: KEY, id: expect.any(String), isFresh: true })
  })

  test.each([-60, 0, 60])('is good where its clock is %d seconds off', async (off) => {
    expect(await read(await prove({}, NOW + off))).toEqual({ key: KEY, id: expect.any(String), isFresh: true })
  })
})

/** Another key of each kind that a header could name. */
const [rsa, p384, ed25519] = await Promise.all([
  generateKeyPair('RS256', { extractable: true }),
  generateKeyPair('ES384', { extractable: true }),
  generateKeyPair('EdDSA', { extractable: true }),
])
const secret = new TextEncoder().encode('a symmetric key of 32 bytes, told')
const octets = { kty: 'oct', k: Buffer.from(secret).toString('base64url') }
const { d } = await exportJWK(client.privateKey)

const WRONG: Readonly<
  Record<string, readonly (readonly [what: string, changes: ProofChanges | (() => Promise<string>)])[]>
> = {
  'proof form': [
    ['nothing', async () => ''],
    ['a word', async () => 'proof'],
    ['two parts', async () => (await prove()).split('.').slice(0, 2).join('.')],
    ['four parts', async () => `${await prove()}.x`],
    ['two proofs in one header', async () => `${await prove()}, ${await prove()}`],
    ['blanks around it', async () => ` ${await prove()}`],
    ['a scheme before it', async () => `DPoP ${await prove()}`],
    ['a header that is no JSON', async () => `eA.${(await prove()).split('.').slice(1).join('.')}`],
    ['a payload that is a list', async () => replacePart(await prove(), 1, [])],
    ['padding', async () => `${await prove()}==`],
    ['4097 characters', async () => (await prove()).padEnd(4097, 'A')],
  ],
  'proof header': [
    ['no type', { header: { typ: null } }],
    ['the type of any JWT', { header: { typ: 'JWT' } }],
    ['the type of an access token', { header: { typ: 'at+jwt' } }],
    ['the type of DBSC', { header: { typ: 'dbsc+jwt' } }],
    ['its type in capitals', { header: { typ: 'DPOP+JWT' } }],
    ['its type in full', { header: { typ: 'application/dpop+jwt' } }],
    ['no algorithm', async () => replacePart(await prove(), 0, { typ: 'dpop+jwt', jwk: client.jwk })],
    ['the algorithm none', async () => unsigned('none')],
    ['the algorithm NONE', async () => unsigned('NONE')],
    ['HS256 and its key', async () => proveBy('HS256', secret, octets)],
    [
      'HS256 and a public key as the secret',
      async () => proveBy('HS256', new TextEncoder().encode(`${client.jwk.x}`), client.jwk),
    ],
    ['RS256', async () => proveBy('RS256', rsa.privateKey, await exportJWK(rsa.publicKey))],
    [
      'PS256',
      async () => proveBy('PS256', (await generateKeyPair('PS256')).privateKey, await exportJWK(rsa.publicKey)),
    ],
    ['ES384', async () => proveBy('ES384', p384.privateKey, await exportJWK(p384.publicKey))],
    ['EdDSA', async () => proveBy('EdDSA', ed25519.privateKey, await exportJWK(ed25519.publicKey))],
    [
      'ES256 in small letters',
      async () => replacePart(await prove(), 0, { typ: 'dpop+jwt', alg: 'es256', jwk: client.jwk }),
    ],
    [
      'an extension that must be known',
      async () => replacePart(await prove(), 0, { ...HEADER, crit: ['b64'], b64: true }),
    ],
    ['an extension that must be known, of none', async () => replacePart(await prove(), 0, { ...HEADER, crit: [] })],
    ['`jku`', { header: { jku: 'https://evil.example/keys' } }],
    ['`jku` in the place of its key', { header: { jku: 'https://evil.example/keys', jwk: null } }],
    ['`x5u`', { header: { x5u: 'https://evil.example/chain' } }],
    ['`x5c`', { header: { x5c: ['MIIB'] } }],
  ],
  'proof key': [
    ['none', { header: { jwk: null } }],
    ['a name of one', { header: { jwk: 'mine' } }],
    ['a list of one', { header: { jwk: [client.jwk] } }],
    ['a private one', { header: { jwk: { ...client.jwk, d } } }],
    ['a private member that is empty', { header: { jwk: { ...client.jwk, d: '' } } }],
    ...['p', 'q', 'dp', 'dq', 'qi', 'oth'].map(
      (member) => [`the private member ${member}`, { header: { jwk: { ...client.jwk, [member]: 'x' } } }] as const,
    ),
    ['a symmetric member', { header: { jwk: { ...client.jwk, k: 'c2VjcmV0' } } }],
    ['a symmetric one', { header: { jwk: octets } }],
    ['RSA under ES256', { header: { jwk: await exportJWK(rsa.publicKey) } }],
    ['P-384 under ES256', { header: { jwk: await exportJWK(p384.publicKey) } }],
    ['another curve of the same length', { header: { jwk: { ...client.jwk, crv: 'secp256k1' } } }],
    ['a curve in small letters', { header: { jwk: { ...client.jwk, crv: 'p-256' } } }],
    ['no y', { header: { jwk: { kty: 'EC', crv: 'P-256', x: client.jwk.x } } }],
    ['a coordinate with padding', { header: { jwk: { ...client.jwk, x: `${client.jwk.x}=` } } }],
    ['a coordinate in another spelling', { header: { jwk: { ...client.jwk, x: respelt(`${client.jwk.x}`) } } }],
    ['a coordinate that is too short', { header: { jwk: { ...client.jwk, y: `${client.jwk.y}`.slice(1) } } }],
  ],
  'proof signature': [
    ['that of another key', { signedBy: other.privateKey }],
    ['none', async () => (await prove()).replace(/[^.]+$/, '')],
    [
      'that of another payload',
      async () => replacePart(await prove(), 1, { jti: 'x', htm: 'POST', htu: REFRESH_URL, iat: NOW }),
    ],
    ['that of another header', async () => replacePart(await prove(), 0, { ...HEADER, kid: 'x' })],
    ['another spelling of it', async () => respelt(await prove())],
    ['zeros', async () => (await prove()).replace(/[^.]+$/, 'A'.repeat(86))],
    ['DER in the place of JOSE', async () => (await prove()).replace(/[^.]+$/, `MEUCIQ${'A'.repeat(90)}`)],
    ['a key that is no point of the curve', { header: { jwk: { ...client.jwk, y: client.jwk.x } } }],
    ['a key at infinity', { header: { jwk: { ...client.jwk, x: 'A'.repeat(43), y: 'A'.repeat(43) } } }],
  ],
  'proof claims': [
    ['no `jti`', { payload: { jti: null } }],
    ['an empty `jti`', { payload: { jti: '' } }],
    ['a `jti` that is a number', { payload: { jti: 7 } }],
    ['a `jti` that is too long', { payload: { jti: 'j'.repeat(257) } }],
    ['no `htm`', { payload: { htm: null } }],
    ['no `htu`', { payload: { htu: null } }],
    ['no `iat`', { payload: { iat: null } }],
    ['an `iat` that is a text', { payload: { iat: String(NOW) } }],
    ['an `exp` that is a text', { payload: { exp: String(NOW + 1) } }],
  ],
  'proof target': [
    ['another method', { payload: { htm: 'GET' } }],
    ['its method in small letters', { payload: { htm: 'post' } }],
    ['the sign-in', { payload: { htu: 'https://auth.example.com/base/auth/token' } }],
    ['a path below it', { payload: { htu: `${REFRESH_URL}/x` } }],
    ['a slash behind it', { payload: { htu: `${REFRESH_URL}/` } }],
    ['capitals in its path', { payload: { htu: REFRESH_URL.replace('token', 'Token') } }],
    ['an escape that means another path', { payload: { htu: REFRESH_URL.replace('/refresh', '%2Frefresh') } }],
    ['the path without `BASE_PATH`', { payload: { htu: REFRESH_URL.replace('/base', '') } }],
    ['the path alone', { payload: { htu: '/base/auth/token/refresh' } }],
    ['the host alone', { payload: { htu: 'https://auth.example.com' } }],
    ['http', { payload: { htu: REFRESH_URL.replace('https', 'http') } }],
    ['another host', { payload: { htu: REFRESH_URL.replace('auth.', 'evil.') } }],
    ['a host below ours', { payload: { htu: REFRESH_URL.replace('example.com', 'example.com.evil.example') } }],
    ['a dot behind its host', { payload: { htu: REFRESH_URL.replace('.com/', '.com./') } }],
    ['another port', { payload: { htu: REFRESH_URL.replace('.com/', '.com:8443/') } }],
    ['a name before its host', { payload: { htu: REFRESH_URL.replace('https://', 'https://user@') } }],
    [
      'our host as a name',
      { payload: { htu: REFRESH_URL.replace('https://', 'https://auth.example.com@evil.example/') } },
    ],
    ['another scheme', { payload: { htu: REFRESH_URL.replace('https', 'ftp') } }],
    ['nothing', { payload: { htu: '' } }],
  ],
  'proof time': [
    ['a minute and a second old', { payload: { iat: NOW - 61 } }],
    ['a minute and a second ahead', { payload: { iat: NOW + 61 } }],
    ['of 1970', { payload: { iat: 0 } }],
    ['of milliseconds', { payload: { iat: NOW * 1000 } }],
    ['before its day', { payload: { iat: -NOW } }],
    ['an `exp` that is over', { payload: { exp: NOW - 60 } }],
    ['an `nbf` that is to come', { payload: { nbf: NOW + 61 } }],
  ],
}
const HEADER = { typ: 'dpop+jwt', alg: 'ES256', jwk: client.jwk }

/** A proof whose part was replaced after it was signed. */
function replacePart(text: string, part: 0 | 1, value: unknown): string {
  const parts = text.split('.')
  parts[part] = Buffer.from(JSON.stringify(value)).toString('base64url')
  return parts.join('.')
}

async function unsigned(alg: string): Promise<string> {
  return replacePart(await prove(), 0, { typ: 'dpop+jwt', alg, jwk: client.jwk }).replace(/[^.]+$/, '')
}

function proveBy(alg: string, signedBy: CryptoKey | Uint8Array, jwk: unknown): Promise<string> {
  return prove({ header: { alg, jwk }, signedBy })
}

/** The same bytes with another last character, of which decoders drop the spare bits. */
function respelt(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return `${text.slice(0, -1)}${alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1]}`
}

describe.each(Object.entries(WRONG))('refused for the %s:', (cause, table) => {
  test.each(table)('%s', async (_what, changes) => {
    expect(await read(typeof changes === 'function' ? await changes() : await prove(changes))).toEqual({
      refused: cause,
    })
  })
})

test('the table has more than sixty', () => {
  expect(Object.values(WRONG).flat().length).toBeGreaterThan(60)
})
