/**
 * Tokens that a Tessera with an RSA key did not sign, under either algorithm of its own: an RSA key is public in part, and that part must
 * not become a secret, nor a key of one algorithm the key of another (RFC 8725 section 2.1 and 3.1).
 */

import { describe, expect, test } from 'vitest'

import { deriveKeys } from '../../../src/domain/tokens/keys.ts'
import { importRsaKey, readPkcs8 } from '../../../src/domain/tokens/rsa-key.ts'
import type { AccessAlgorithm } from '../../../src/domain/tokens/token-key.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { countedDatabase } from '../../support/counted-worker.ts'
import { encodePart, forge, hmacKey, testKeys } from '../../support/forge.ts'
import {
  everywhere,
  expectAlive,
  expectRefused,
  NOT_VALID,
  openGenuine,
  parts,
  present,
  type Row,
  TYPES,
} from '../../support/forgeries.ts'
import { newRsaKey, toPem } from '../../support/rsa.ts'
import { startWorker } from '../../support/worker.ts'

stopClock()

const [OWN, STRANGER] = await Promise.all([newRsaKey(), newRsaKey()])

async function importKey(base64: string) {
  const key = readPkcs8(base64)
  if (typeof key === 'string') throw new Error(key)
  return { ...(await importRsaKey(key)), der: key }
}

const [own, stranger] = await Promise.all([importKey(OWN), importKey(STRANGER)])
const RSA = { alg: 'RS256', typ: 'JWT', kid: own.jwk.kid }
const EC = { alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid }
const HMAC = { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid }
const rsaKey = own.signing
const ecKey = testKeys.access.signing

/** The same RSA key, for another algorithm. */
function importFor(name: string, hash: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', own.der, { name, hash }, false, ['sign'])
}

const [pss, sha384, sha512] = await Promise.all([
  importFor('RSA-PSS', 'SHA-256'),
  importFor('RSASSA-PKCS1-v1_5', 'SHA-384'),
  importFor('RSASSA-PKCS1-v1_5', 'SHA-512'),
])

async function publicPem(): Promise<string> {
  if (own.jwk.kty !== 'RSA') throw new Error('not an RSA key')
  const { kty, n, e } = own.jwk
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('jwk', { kty, n, e }, algorithm, true, ['verify'])
  const spki = new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer)
  return toPem(btoa(String.fromCharCode(...spki)), '\n', 'PUBLIC KEY')
}

const PUBLIC: Readonly<Record<string, string>> = {
  'the public n': 'n' in own.jwk ? own.jwk.n : '',
  'the thumbprint': own.jwk.kid,
  'the public JWK': JSON.stringify(own.jwk),
  'the public key in PEM': await publicPem(),
  'the public key in PEM without its last line break': (await publicPem()).trimEnd(),
}

const FORGERIES: readonly Row[] = [
  [
    'RS256 under the kid of the EC key, by that key',
    (g, type) => forge({ ...EC, alg: 'RS256' }, g.claims[type], ecKey),
  ],
  [
    'RS256 under the kid of the EC key, by the RSA key',
    (g, type) => forge({ ...EC, alg: 'RS256' }, g.claims[type], rsaKey),
  ],
  [
    'ES256 under the kid of the RSA key, by that key',
    (g, type) => forge({ ...RSA, alg: 'ES256' }, g.claims[type], rsaKey),
  ],
  [
    'ES256 under the kid of the RSA key, by the EC key',
    (g, type) => forge({ ...RSA, alg: 'ES256' }, g.claims[type], ecKey),
  ],
  ['the header of the RSA key over the signature of the EC key', (g, type) => forge(RSA, g.claims[type], ecKey)],
  ['the header of the EC key over the signature of the RSA key', (g, type) => forge(EC, g.claims[type], rsaKey)],
  [
    'the kid of the RSA key over HMAC',
    (g, type) => forge({ ...HMAC, kid: own.jwk.kid }, g.claims[type], testKeys.refresh.signing),
  ],
  [
    'the kid of the refresh key over the signature of the RSA key',
    (g, type) => forge({ ...RSA, kid: HMAC.kid }, g.claims[type], rsaKey),
  ],
  ['PS256', (g, type) => forge({ ...RSA, alg: 'PS256' }, g.claims[type], pss)],
  ['PS256 that calls itself RS256', (g, type) => forge(RSA, g.claims[type], pss)],
  ['RS384', (g, type) => forge({ ...RSA, alg: 'RS384' }, g.claims[type], sha384)],
  ['RS384 that calls itself RS256', (g, type) => forge(RSA, g.claims[type], sha384)],
  ['RS512', (g, type) => forge({ ...RSA, alg: 'RS512' }, g.claims[type], sha512)],
  ['RS512 that calls itself RS256', (g, type) => forge(RSA, g.claims[type], sha512)],
  ...['none', 'NONE', '', 'RSA', 'rs256', ['RS256'], null].map((alg): Row => [
    `alg ${JSON.stringify(alg)} over a good RSA signature`,
    (g, type) => forge({ ...RSA, alg }, g.claims[type], rsaKey),
  ]),
  ['alg none and no signature', (g, type) => `${encodePart({ ...RSA, alg: 'none' })}.${encodePart(g.claims[type])}.`],
  ['no signature', (g, type) => `${encodePart(RSA)}.${encodePart(g.claims[type])}.`],
  ['zeros', (g, type) => `${encodePart(RSA)}.${encodePart(g.claims[type])}.${'A'.repeat(342)}`],
  ['ones', (g, type) => `${encodePart(RSA)}.${encodePart(g.claims[type])}.${'_'.repeat(341)}w`],
  ['the RSA key of a stranger', (g, type) => forge(RSA, g.claims[type], stranger.signing)],
  [
    'the RSA key of a stranger, by its name',
    (g, type) => forge({ ...RSA, kid: stranger.jwk.kid }, g.claims[type], stranger.signing),
  ],
  [
    'the RSA key of a stranger, embedded',
    (g, type) => forge({ ...RSA, jwk: stranger.jwk }, g.claims[type], stranger.signing),
  ],
  ['no kid over a good RSA signature', (g, type) => forge({ alg: 'RS256', typ: 'JWT' }, g.claims[type], rsaKey)],
  ['the claims of a refresh token under the RSA key', (g) => forge(RSA, g.claims.refresh, rsaKey)],
  ['the claims of a link under the RSA key', (g) => forge(RSA, { ...g.claims.access, token_type: 'link' }, rsaKey)],
  ['a crit, over a good RSA signature', (g, type) => forge({ ...RSA, crit: ['exp'] }, g.claims[type], rsaKey)],
  ['another typ, over a good RSA signature', (g, type) => forge({ ...RSA, typ: 'rt+jwt' }, g.claims[type], rsaKey)],
  ...Object.entries(PUBLIC).flatMap(([name, secret]) =>
    [own.jwk.kid, EC.kid, HMAC.kid, undefined].map((kid, i): Row => [
      `HMAC with ${name}, under ${['the RSA kid', 'the EC kid', 'the kid of the refresh key', 'no kid'][i] ?? ''}`,
      async (g, type) => forge({ alg: 'HS256', typ: 'JWT', kid }, g.claims[type], await hmacKey(secret)),
    ]),
  ),
  [
    'a later exp, under the genuine signature',
    async (g) => {
      const [h, , s] = parts(await forge(RSA, g.claims.access, rsaKey))
      return `${h}.${encodePart({ ...g.claims.access, exp: T0 + 10 ** 9 })}.${s}`
    },
  ],
]

describe.each(['ES256', 'RS256'] as const satisfies readonly AccessAlgorithm[])('under %s with an RSA key', (alg) => {
  const worker = startWorker({ DB: countedDatabase, ACCESS_TOKEN_ALG: alg, ACCESS_TOKEN_RSA_KEY: OWN })

  describe.each(TYPES)('in the place of the %s token, 401 Not valid token for', (type) => {
    test.each(FORGERIES)('%s', (_name, make) => expectRefused(type, make, everywhere(NOT_VALID), worker))
  })

  test('a good RSA signature has one spelling, and covers every part', async () => {
    const genuine = await openGenuine(worker)
    const token = await forge(RSA, genuine.claims.access, rsaKey)
    expect((await present('access', token, await openGenuine(worker), undefined, worker)).verify.status).toBe(200)
    const [h, p, s] = parts(token)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(s.slice(-1))
    const others = [
      ...Array.from({ length: 15 }, (_, i) => `${h}.${p}.${s.slice(0, -1)}${alphabet[last + i + 1] ?? ''}`),
      `${h}.${p}.${s}AAAA`,
      `${h}.${p}.AAAA${s}`,
      `${h}.${p}.${s.slice(0, -4)}`,
      `${h}.${p}.${s.startsWith('A') ? 'B' : 'A'}${s.slice(1)}`,
    ]
    for (const other of others) {
      expect(await present('access', other, genuine, undefined, worker)).toEqual({
        ...everywhere(NOT_VALID),
      })
    }
    await expectAlive(genuine, worker)
  })

  test('refresh tokens are signed and verified as ever', async () => {
    const genuine = await openGenuine(worker)
    const keys = await deriveKeys(TEST_BINDINGS.AUTH_SECRET, [])
    expect(parts(genuine.refresh)[0]).toBe(encodePart({ alg: 'HS256', typ: 'JWT', kid: keys.refresh.signing.kid }))
    await expectAlive(genuine, worker)
  })
})
