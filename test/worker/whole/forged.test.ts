/**
 * Tokens that Tessera did not sign, on both transports: what each is answered, that it never reaches the database or the
 * log, and that the genuine pair lives on.
 */

import { describe, expect, test } from 'vitest'

import { answer } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { counted, reset, roundTrips } from '../../support/counted-worker.ts'
import { ecJwk, encodePart, forge, hmacKey, strangerKeys, testKeys } from '../../support/forge.ts'
import {
  bytes,
  type Claims,
  everywhere,
  expectAlive,
  expectRefused,
  MALFORMED,
  NOT_VALID,
  openGenuine,
  ownHeader,
  parts,
  postToken,
  present,
  refreshWith,
  type Row,
  sign,
  signAsStranger,
  type TokenType,
  TYPES,
} from '../../support/forgeries.ts'
import { ELSEWHERE } from '../../support/worker.ts'

stopClock()

/** The JSON of a value, with one byte put in at a place. */
function withByte(value: unknown, index: number, byte: number): Uint8Array {
  const json = bytes(JSON.stringify(value))
  return new Uint8Array([...json.slice(0, index), byte, ...json.slice(index)])
}

function flipBit(part: string, index: number): string {
  const decoded = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  decoded[index] = (decoded[index] ?? 0) ^ 1
  return encodePart(decoded)
}

/** Where in the decoded part a text begins. */
function indexIn(part: string, text: string): number {
  return atob(part.replaceAll('-', '+').replaceAll('_', '/')).indexOf(text)
}

/** The same JSON, with the spaces after it that make its base64 end in padding. */
function padded(part: string): string {
  const json = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
  return `${encodePart(bytes(json.padEnd(3 * Math.ceil(json.length / 3) + 1)))}==`
}

/** An edit of the genuine token's parts. */
function edit(change: (header: string, payload: string, signature: string) => string): Row[1] {
  return (genuine, type) => change(...parts(genuine[type]))
}

const PUBLIC_JWK = ecJwk(testKeys)

const STRANGER_JWK = strangerKeys.jwks.keys[0]

const NOT_TOKENS: readonly Row[] = [
  ['a word', () => 'x'],
  ['a guid', () => '6f9619ff-8b86-4011-b42d-00c04fc964ff'],
  ['two dots', () => '..'],
  ['one part', edit((h) => h)],
  ['two parts', edit((h, p) => `${h}.${p}`)],
  ['four parts', edit((h, p, s) => `${h}.${p}.${s}.${s}`)],
  ['a dot before', edit((h, p, s) => `.${h}.${p}.${s}`)],
  ['a dot after', edit((h, p, s) => `${h}.${p}.${s}.`)],
  ['five parts, as JWE has them', edit((h, p, s) => `${h}.${p}.${s}.${p}.${s}`)],
  ['no header', edit((_h, p, s) => `.${p}.${s}`)],
  ['no payload', edit((h, _p, s) => `${h}..${s}`)],
  ['a header cut at its end', edit((h, p, s) => `${h.slice(0, -1)}.${p}.${s}`)],
  ['a header cut at its start', edit((h, p, s) => `${h.slice(4)}.${p}.${s}`)],
  ['a payload cut at its end', edit((h, p, s) => `${h}.${p.slice(0, -4)}.${s}`)],
  ['a payload cut at its start', edit((h, p, s) => `${h}.${p.slice(4)}.${s}`)],
  ['the payload last', edit((h, p, s) => `${h}.${s}.${p}`)],
  ['the signature first', edit((h, p, s) => `${s}.${h}.${p}`)],
  ['a flipped bit in the header that breaks its JSON', edit((h, p, s) => `${flipBit(h, 0)}.${p}.${s}`)],
  ['a flipped bit in the payload that breaks its JSON', edit((h, p, s) => `${h}.${flipBit(p, 0)}.${s}`)],
  ['padding after the header', edit((h, p, s) => `${padded(h)}.${p}.${s}`)],
  ['padding after the payload', edit((h, p, s) => `${h}.${padded(p)}.${s}`)],
  ['padding after the signature', edit((h, p, s) => `${h}.${p}.${s}==`)],
  ['the other base64 alphabet', edit((h, p, s) => `${h}.${p}.${s.slice(0, -2)}+/`)],
  ['a space in the header', edit((h, p, s) => `${h} .${p}.${s}`)],
  ['a space in the payload', edit((h, p, s) => `${h}.${p.slice(0, 8)} ${p.slice(8)}.${s}`)],
  ['a tab in the signature', edit((h, p, s) => `${h}.${p}.${s.slice(0, 8)}\t${s.slice(8)}`)],
  ['percent-encoded dots', edit((h, p, s) => `${h}%2E${p}%2E${s}`)],
  ['the scheme of a header before it', (genuine, type) => `Bearer ${genuine[type]}`],
  ['the JSON serialization of JWS', edit((h, p, s) => JSON.stringify({ protected: h, payload: p, signature: s }))],
]

/** Made with our own keys, so that only their form is wrong. */
const BAD_FORMS: readonly (readonly [
  string,
  header: (own: object) => unknown,
  payload: (claims: Claims) => unknown,
])[] = [
  ['a header that is no JSON', () => bytes('alg=HS256'), (claims) => claims],
  ['a header that is an array', (own) => [own], (claims) => claims],
  ['a header that is a string', () => 'HS256', (claims) => claims],
  ['a header that is null', () => null, (claims) => claims],
  ['a header that is a number', () => 1, (claims) => claims],
  ['a header after a BOM', (own) => bytes(`\ufeff${JSON.stringify(own)}`), (claims) => claims],
  ['a header with invalid UTF-8', (own) => withByte(own, 3, 0xff), (claims) => claims],
  ['a header with a control character', (own) => withByte(own, 3, 0x0a), (claims) => claims],
  ['a header twice', (own) => bytes(JSON.stringify(own).repeat(2)), (claims) => claims],
  ['a payload that is no JSON', (own) => own, () => bytes('sub=1')],
  ['a payload that is an array', (own) => own, (claims) => [claims]],
  ['a payload that is a string', (own) => own, (claims) => JSON.stringify(claims)],
  ['a payload that is null', (own) => own, () => null],
  ['a payload that is true', (own) => own, () => true],
  ['a payload after a BOM', (own) => own, (claims) => bytes(`\ufeff${JSON.stringify(claims)}`)],
  ['a payload with invalid UTF-8', (own) => own, (claims) => withByte(claims, 3, 0xc0)],
  ['a payload with a NUL after it', (own) => own, (claims) => bytes(`${JSON.stringify(claims)}\0`)],
  ['a payload with a comma too much', (own) => own, (claims) => bytes(JSON.stringify(claims).replace('}', ',}'))],
  ['a payload of 8 KiB', (own) => own, (claims) => ({ ...claims, more: 'x'.repeat(8192) })],
]

describe.each(TYPES)('in the place of the %s token, 400 Wrong data structure for', (type) => {
  test.each(NOT_TOKENS)('%s', (_name, make) => expectRefused(type, make, everywhere(MALFORMED)))

  test.each(BAD_FORMS)('a good signature over %s', (_name, header, payload) =>
    expectRefused(
      type,
      ({ claims }) => sign(type, payload(claims[type]), header(ownHeader(type))),
      everywhere(MALFORMED),
    ),
  )

  // What a Cookie header cannot carry, or what its syntax strips (RFC 6265 section 5.2), in JSON only.
  test.each([
    ['a space before', edit((h, p, s) => ` ${h}.${p}.${s}`)],
    ['a space after', edit((h, p, s) => `${h}.${p}.${s} `)],
    ['a line break after', edit((h, p, s) => `${h}.${p}.${s}\n`)],
    ['a line break within', edit((h, p, s) => `${h}.\r\n${p}.${s}`)],
    ['a NUL after', edit((h, p, s) => `${h}.${p}.${s}\0`)],
    ['a lone surrogate after', edit((h, p, s) => `${h}.${p}.${s}\ud800`)],
    ['a letter beyond ASCII', edit((h, p, s) => `${h}.${p}.\u00e9${s}`)],
    ['full-width letters', edit((h, p, s) => `${h}.${p}.\uff21${s.slice(1)}`)],
    ['quotes around', edit((h, p, s) => `"${h}.${p}.${s}"`)],
    ['nothing', () => ''],
  ] satisfies readonly Row[])('%s, in JSON', async (_name, make) => {
    const genuine = await openGenuine()
    const forged = await make(genuine, type)
    reset()

    expect(await answer(await postToken('refresh', forged))).toEqual(MALFORMED.problem)
    expect(await answer(await postToken('verify', forged))).toEqual(MALFORMED.problem)
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })
})

const BAD_SIGNATURES: readonly Row[] = [
  ['the key of a stranger', (g, type) => signAsStranger(type, g.claims[type])],
  [
    'the key of a stranger, by its own name',
    (g, type) => signAsStranger(type, g.claims[type], { kid: strangerKeys[type].signing.kid }),
  ],
  [
    'the key of a stranger, embedded',
    (g) =>
      forge(
        { alg: 'ES256', typ: 'JWT', kid: STRANGER_JWK?.kid, jwk: STRANGER_JWK },
        g.claims.access,
        strangerKeys.access.signing,
      ),
  ],
  [
    'the key of a stranger, embedded under our name',
    (g, type) => signAsStranger(type, g.claims[type], { jwk: STRANGER_JWK }),
  ],
  [
    'a jku to the keys of a stranger',
    (g, type) => signAsStranger(type, g.claims[type], { jku: 'https://evil.example/jwks.json' }),
  ],
  [
    'an x5u and an x5c of a stranger',
    (g, type) => signAsStranger(type, g.claims[type], { x5u: 'https://evil.example/x.pem', x5c: ['MIIB'] }),
  ],
  ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg): Row[] => [
    [`alg ${alg || 'empty'} and no signature`, edit((_h, p) => `${encodePart({ alg, typ: 'JWT' })}.${p}.`)],
    [
      `alg ${alg || 'empty'}, our kid and no signature`,
      (g, type) => `${encodePart({ ...ownHeader(type), alg })}.${parts(g[type])[1]}.`,
    ],
    [
      `alg ${alg || 'empty'} and the genuine signature`,
      (g, type) => `${encodePart({ ...ownHeader(type), alg })}.${parts(g[type])[1]}.${parts(g[type])[2]}`,
    ],
  ]),
  ...['HS384', 'HS512', 'ES384', 'RS256', 'PS256', 'EdDSA', 'es256', 'hs256', ['ES256'], ['HS256'], null, 256].map(
    (alg): Row => [
      `alg ${JSON.stringify(alg)} over a good signature`,
      (g, type) => sign(type, g.claims[type], { ...ownHeader(type), alg }),
    ],
  ),
  [
    'no alg over a good signature',
    (g, type) => sign(type, g.claims[type], { typ: 'JWT', kid: testKeys[type].signing.kid }),
  ],
  [
    'the other algorithm over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), alg: type === 'access' ? 'HS256' : 'ES256' }),
  ],
  ...(
    [
      ['the public x', PUBLIC_JWK.x],
      ['the public y', PUBLIC_JWK.y],
      ['the thumbprint', PUBLIC_JWK.kid],
      ['the public JWK', JSON.stringify(PUBLIC_JWK)],
      ['the JWKS', JSON.stringify(testKeys.jwks)],
      ['the public key in PEM', await publicPem()],
      ['the public key in PEM without its last line break', (await publicPem()).trimEnd()],
      ['nothing', '\0'],
    ] as const
  ).flatMap(([name, secret]) =>
    TYPES.map((named): Row => {
      const header = { alg: 'HS256', typ: 'JWT', kid: testKeys[named].signing.kid }
      return [
        `HMAC with ${name}, under the kid of the ${named} key`,
        async (g, type) => forge(header, g.claims[type], await hmacKey(secret)),
      ]
    }),
  ),
  [
    'HMAC with the public JWK, without a kid',
    async (g, type) =>
      forge({ alg: 'HS256', typ: 'JWT' }, g.claims[type], await hmacKey(JSON.stringify(testKeys.jwks.keys[0]))),
  ],
  ...[
    undefined,
    null,
    '',
    'unknown',
    0,
    true,
    ['x'],
    {},
    '__proto__',
    'constructor',
    '../../dev/null',
    "' OR '1'='1",
  ].map((kid): Row => [
    `kid ${JSON.stringify(kid) ?? 'missing'} over a good signature`,
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), kid }),
  ]),
  [
    'our kid in an array, over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), kid: [testKeys[type].signing.kid] }),
  ],
  [
    'the kid of the other type, over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), kid: testKeys[other(type)].signing.kid }),
  ],
  [
    'the kid of the previous secret, over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), kid: [...testKeys[type].verifying.keys()][1] }),
  ],
  [
    'a header in __proto__, over a good signature',
    (g, type) => sign(type, g.claims[type], bytes(`{"__proto__":${JSON.stringify(ownHeader(type))}}`)),
  ],
  [
    'alg twice, over the signature of a stranger',
    (g, type) => {
      const header = JSON.stringify(ownHeader(type)).replace('{', '{"alg":"none",')
      return forge(bytes(header), g.claims[type], strangerKeys[type].signing)
    },
  ],
  ...['rt+jwt', 'JWE', 'application/json', '', 5, null].map((typ): Row => [
    `typ ${JSON.stringify(typ)} over a good signature`,
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), typ }),
  ]),
  [
    'a crit that nobody understands, over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), crit: ['x'], x: 1 }),
  ],
  [
    'a crit that names exp, over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), crit: ['exp'], exp: 1 }),
  ],
  [
    'an unencoded payload (RFC 7797), over a good signature',
    (g, type) => sign(type, g.claims[type], { ...ownHeader(type), crit: ['b64'], b64: false }),
  ],
  ['no signature', edit((h, p) => `${h}.${p}.`)],
  ['a signature cut by one character', edit((h, p, s) => `${h}.${p}.${s.slice(0, -1)}`)],
  ['a signature cut by half', edit((h, p, s) => `${h}.${p}.${s.slice(0, s.length / 2)}`)],
  ['a signature without its first byte', edit((h, p, s) => `${h}.${p}.${s.slice(4)}`)],
  ['a signature and more', edit((h, p, s) => `${h}.${p}.${s}AAAA`)],
  ['a signature of one character', edit((h, p) => `${h}.${p}.A`)],
  ['a signature of zeros', edit((h, p) => `${h}.${p}.${'A'.repeat(86)}`)],
  ['a flipped bit at the start of the signature', edit((h, p, s) => `${h}.${p}.${flipBit(s, 0)}`)],
  ['a flipped bit at the end of the signature', edit((h, p, s) => `${h}.${p}.${flipBit(s, 31)}`)],
  ['a flipped bit in the kid', edit((h, p, s) => `${flipBit(h, indexIn(h, '"kid":"') + 8)}.${p}.${s}`)],
  ['a flipped bit in the jti', edit((h, p, s) => `${h}.${flipBit(p, indexIn(p, '"jti":"') + 7)}.${s}`)],
  [
    'a later exp, under the genuine signature',
    (g, type) => {
      const [h, , s] = parts(g[type])
      return `${h}.${encodePart({ ...g.claims[type], exp: T0 + 10 ** 9 })}.${s}`
    },
  ],
  ['the payload first', edit((h, p, s) => `${p}.${h}.${s}`)],
  ['the header twice', edit((h, _p, s) => `${h}.${h}.${s}`)],
  ['the payload twice', edit((_h, p, s) => `${p}.${p}.${s}`)],
  ...['signature', 'payload'].map((swapped): Row => [
    `the ${swapped} of another genuine token`,
    async (g, type) => {
      const [h, p, s] = parts(g[type])
      const [, otherPayload, otherSignature] = parts((await openGenuine())[type])
      return swapped === 'payload' ? `${h}.${otherPayload}.${s}` : `${h}.${p}.${otherSignature}`
    },
  ]),
  ['the signature of its partner', (g, type) => `${parts(g[type]).slice(0, 2).join('.')}.${parts(g[other(type)])[2]}`],
  [
    'the other token_type, over a good signature',
    (g, type) => sign(type, { ...g.claims[type], token_type: other(type) }),
  ],
  ['an unknown token_type, over a good signature', (g, type) => sign(type, { ...g.claims[type], token_type: 'id' })],
  ['the claims of its partner, over a good signature', (g, type) => sign(type, g.claims[other(type)])],
  [
    'every fault at once',
    (g, type) => signAsStranger(type, { exp: 1, jti: 5, token_type: other(type), sid: g.claims[type]['sid'] }),
  ],
]

function other(type: TokenType): TokenType {
  return type === 'access' ? 'refresh' : 'access'
}

async function publicPem(): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const { kty, crv, x, y } = PUBLIC_JWK
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, y }, algorithm, true, ['verify'])
  const spki = new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer)
  const lines = btoa(String.fromCharCode(...spki)).match(/.{1,64}/g) ?? []
  return ['-----BEGIN PUBLIC KEY-----', ...lines, '-----END PUBLIC KEY-----', ''].join('\n')
}

describe.each(TYPES)('in the place of the %s token, 401 Not valid token for', (type) => {
  test.each(BAD_SIGNATURES)('%s', (_name, make) => expectRefused(type, make, everywhere(NOT_VALID)))

  test('the same signature in another spelling: the spare bits of its last character', async () => {
    const genuine = await openGenuine()
    const [h, p, s] = parts(genuine[type])
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const spareBits = s.length % 4 === 2 ? 4 : 2
    const last = alphabet.indexOf(s.slice(-1))
    const spellings = Array.from({ length: 2 ** spareBits - 1 }, (_, i) => alphabet[last + i + 1])
    reset()

    expect(spellings).toHaveLength(type === 'access' ? 15 : 3)
    for (const spelling of spellings) {
      const forged = `${h}.${p}.${s.slice(0, -1)}${spelling}`
      expect(await present(type, forged, genuine)).toEqual(everywhere(NOT_VALID))
    }
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })

  test('a genuine token of another type', async () => {
    const genuine = await openGenuine()
    reset()
    const both = genuine[other(type)]

    expect(await answer(await refreshWith({ access_token: both, refresh_token: both }))).toEqual(NOT_VALID.text)
    expect(await answer(await postToken('refresh', genuine.access))).toEqual(NOT_VALID.problem)
    expect(await answer(await refreshWith({ access_token: genuine.refresh, refresh_token: genuine.access }))).toEqual(
      NOT_VALID.text,
    )
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })

  test('a stranger, wherever it calls from: the session does not end', async () => {
    const genuine = await openGenuine()
    const forged = await signAsStranger(type, genuine.claims[type])
    reset()

    expect(await present(type, forged, genuine, ELSEWHERE)).toEqual(everywhere(NOT_VALID))
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })

  test('any single character that was replaced, or 400 where no JSON is left', async () => {
    const genuine = (await openGenuine())[type]
    const statuses = await Promise.all(
      Array.from(genuine, async (char, i) => {
        const forged = `${genuine.slice(0, i)}${char === 'B' ? 'C' : 'B'}${genuine.slice(i + 1)}`
        return (await postToken('verify', forged)).status
      }),
    )

    expect(statuses).toHaveLength(genuine.length)
    expect(new Set(statuses)).toEqual(new Set([400, 401]))
    expect((await postToken('verify', genuine)).status).toBe(200)
  })
})

describe('a forged cookie beside the genuine one', () => {
  test.each(TYPES)('of the %s token is refused in either order', async (type) => {
    const genuine = await openGenuine()
    const forged = await signAsStranger(type, genuine.claims[type])
    const pair = `access_token=${genuine.access}; refresh_token=${genuine.refresh}`
    reset()

    for (const Cookie of [`${type}_token=${forged}; ${pair}`, `${pair}; ${type}_token=${forged}`]) {
      expect(await answer(await counted.call('/refresh', { headers: { Cookie } }))).toEqual(MALFORMED.text)
    }
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })
})
