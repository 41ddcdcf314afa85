/**
 * Tokens that Tessera did not sign, or would never have signed, on both transports: what each is answered, that it
 * never reaches the database or the log, and that the genuine pair lives on.
 *
 * Under "a good signature" are tokens made with our own keys: nobody can make those, and they show which check comes
 * first.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { dumpTables } from '../../support/accounts.ts'
import { COMMON } from '../../support/answers.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken, encodePart, forge, hmacKey, strangerKeys, testKeys } from '../../support/forge.ts'
import { ELSEWHERE, pairOf, startWorker } from '../../support/worker.ts'

const T0 = 1_800_000_000
const TYPES = ['access', 'refresh'] as const
type TokenType = (typeof TYPES)[number]
type Claims = Record<string, unknown>

// Whoever never asks the database writes nothing to it, and costs it nothing.
const { database, roundTrips, reset } = countRoundTrips(env.DB)
const worker = startWorker({ DB: database })
const logged = vi.spyOn(console, 'warn').mockImplementation(() => {})

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(T0 * 1000)
  logged.mockClear()
})

afterEach(() => {
  vi.useRealTimers()
})

interface Genuine {
  readonly access: string
  readonly refresh: string
  readonly claims: Readonly<Record<TokenType, Claims>>
}

async function open(): Promise<Genuine> {
  const { access_token: access, refresh_token: refresh } = pairOf(await worker.call(`/${crypto.randomUUID()}`))
  const claims = { access: decodeToken(access).payload, refresh: decodeToken(refresh).payload }
  return { access, refresh, claims }
}

/** An answer whole: its status, every header, and its body to the byte. */
async function answer(response: Response) {
  const { status, headers } = response
  return { status, headers: Object.fromEntries(headers), body: await response.text() }
}

function refusal(status: 400 | 401, detail: string, code: string) {
  const headers = status === 401 ? { ...COMMON, 'www-authenticate': 'Bearer' } : COMMON
  const title = status === 401 ? 'Unauthorized' : 'Bad Request'
  return {
    /** On `GET /refresh`. */
    text: { status, headers: { ...headers, 'content-type': 'text/plain; charset=UTF-8' }, body: detail },
    /** Everywhere else. */
    problem: {
      status,
      headers: { ...headers, 'content-type': 'application/problem+json' },
      body: JSON.stringify({ type: 'about:blank', title, status, detail, code }),
    },
  }
}

const MALFORMED = refusal(400, 'Wrong data structure', 'wrong_data_structure')
const NOT_VALID = refusal(401, 'Not valid token', 'token_not_valid')
const NOT_A_PAIR = refusal(401, 'Not valid token pair', 'token_pair_not_valid')
const GOOD = { status: 200, headers: COMMON, body: '' }

interface Expected {
  readonly cookie: typeof MALFORMED.text
  readonly json: typeof MALFORMED.problem
  readonly verify: typeof MALFORMED.problem | typeof GOOD
}

function everywhere({ text, problem }: typeof MALFORMED): Expected {
  return { cookie: text, json: problem, verify: problem }
}

function refreshWith(cookies: Readonly<Record<string, string>>, ip?: string) {
  return worker.call('/refresh', { cookies, ...(ip !== undefined && { ip }) })
}

function postToken(path: 'refresh' | 'verify', token: string, ip?: string) {
  const json = path === 'refresh' ? { refresh: token } : { token }
  return worker.call(`/auth/token/${path}`, { method: 'POST', json, ...(ip !== undefined && { ip }) })
}

/** Presents a token in the place of one of a genuine pair, on every route that takes it. */
async function present(type: TokenType, forged: string, genuine: Genuine, ip?: string) {
  const cookies = { access_token: genuine.access, refresh_token: genuine.refresh, [`${type}_token`]: forged }
  return {
    cookie: await answer(await refreshWith(cookies, ip)),
    json: await answer(await postToken('refresh', forged, ip)),
    verify: await answer(await postToken('verify', forged, ip)),
  }
}

async function expectAlive({ access, refresh }: Genuine): Promise<void> {
  const response = await refreshWith({ access_token: access, refresh_token: refresh })
  expect(response.status).toBe(200)
}

function expectNotLogged(token: string): void {
  const log = JSON.stringify(logged.mock.calls)
  const secrets = token.split('.').filter((part) => part.length >= 12)
  expect(secrets.filter((part) => log.includes(part))).toEqual([])
}

async function expectRefused(
  type: TokenType,
  make: (genuine: Genuine, type: TokenType) => string | Promise<string>,
  expected: Expected,
): Promise<void> {
  const genuine = await open()
  const forged = await make(genuine, type)
  reset()

  expect(await present(type, forged, genuine)).toEqual(expected)
  expect(roundTrips()).toBe(0)
  expectNotLogged(forged)
  await expectAlive(genuine)
}

/** A token under our own key, with our own header unless the row has another. */
function sign(type: TokenType, payload: unknown, header: unknown = ownHeader(type)): Promise<string> {
  return forge(header, payload, testKeys[type].signing)
}

function ownHeader(type: TokenType) {
  const { alg, kid } = testKeys[type].signing
  return { alg, typ: 'JWT', kid }
}

/** A token under the same kind of key of another deployment, named as if it were ours. */
function signAsStranger(type: TokenType, payload: unknown, header: Record<string, unknown> = {}): Promise<string> {
  return forge({ ...ownHeader(type), ...header }, payload, strangerKeys[type].signing)
}

function parts(token: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return [header, payload, signature]
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

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

type Row = readonly [name: string, make: (genuine: Genuine, type: TokenType) => string | Promise<string>]

/** An edit of the genuine token's parts. */
function edit(change: (header: string, payload: string, signature: string) => string): Row[1] {
  return (genuine, type) => change(...parts(genuine[type]))
}

const PUBLIC_JWK = testKeys.jwks.keys[0]
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
    const genuine = await open()
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
      ['the public x', PUBLIC_JWK?.x],
      ['the public y', PUBLIC_JWK?.y],
      ['the thumbprint', PUBLIC_JWK?.kid],
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
        async (g, type) => forge(header, g.claims[type], await hmacKey(String(secret))),
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
  ...['at+jwt', 'JWE', 'application/json', '', 5, null].map((typ): Row => [
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
      const [, otherPayload, otherSignature] = parts((await open())[type])
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
  const { kty = '', crv = '', x = '', y = '' } = testKeys.jwks.keys[0] ?? {}
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, y }, algorithm, true, ['verify'])
  const spki = new Uint8Array((await crypto.subtle.exportKey('spki', key)) as ArrayBuffer)
  const lines = btoa(String.fromCharCode(...spki)).match(/.{1,64}/g) ?? []
  return ['-----BEGIN PUBLIC KEY-----', ...lines, '-----END PUBLIC KEY-----', ''].join('\n')
}

describe.each(TYPES)('in the place of the %s token, 401 Not valid token for', (type) => {
  test.each(BAD_SIGNATURES)('%s', (_name, make) => expectRefused(type, make, everywhere(NOT_VALID)))

  test('the same signature in another spelling: the spare bits of its last character', async () => {
    const genuine = await open()
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
    const genuine = await open()
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
    const genuine = await open()
    const forged = await signAsStranger(type, genuine.claims[type])
    reset()

    expect(await present(type, forged, genuine, ELSEWHERE)).toEqual(everywhere(NOT_VALID))
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })

  test('any single character that was replaced, or 400 where no JSON is left', async () => {
    const genuine = (await open())[type]
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

/** Another type's claims are never looked at: the JSON refresh of an access token ends at its signature. */
function shapeRefusal(type: TokenType): Expected {
  return type === 'refresh'
    ? everywhere(MALFORMED)
    : { cookie: MALFORMED.text, json: NOT_VALID.problem, verify: MALFORMED.problem }
}

describe('a good signature over claims of another shape, 400 Wrong data structure', () => {
  const OWN_CLAIMS = { access: ['group'], refresh: ['ip'] } as const
  const SHARED_CLAIMS = ['iss', 'sub', 'id', 'guid', 'sid', 'jti', 'iat', 'exp', 'token_type']
  const TOO_LONG = 'x'.repeat(65)
  const WRONG = {
    iss: [5, null, ['x']],
    sub: ['', 'x', 5, null],
    id: ['1', 0, -1, 1.5, null, 1e300, true, [1]],
    guid: ['x', 5, null, {}],
    sid: ['', TOO_LONG, 5, null, { a: 1 }],
    jti: ['', TOO_LONG, 5, null, ['x']],
    iat: [String(T0), -1, T0 + 0.5, null, 1e300, true],
    exp: [String(T0 + 300), -1, T0 + 300.5, null, 1e300, true, [T0 + 300]],
    token_type: [5, null, ['access'], {}],
  }
  const WRONG_OWN = {
    access: { group: [5, null, ['user']], aud: [5, null, ['api']] },
    refresh: { ip: ['', 'x', 5, null, '203.0.113.007', '2001:DB8::1', '::ffff:203.0.113.7'] },
  }

  const missing = TYPES.flatMap((type) =>
    [...SHARED_CLAIMS, ...OWN_CLAIMS[type]].map((claim) => [type, claim] as const),
  )
  test.each(missing)('%s without %s', (type, claim) =>
    expectRefused(
      type,
      ({ claims }) => {
        const { [claim]: _, ...rest } = claims[type]
        return sign(type, rest)
      },
      shapeRefusal(type),
    ),
  )

  const wrong = TYPES.flatMap((type) =>
    Object.entries({ ...WRONG, ...WRONG_OWN[type] }).flatMap(([claim, values]) =>
      values.map((value) => [type, claim, value] as const),
    ),
  )
  test.each(wrong)('%s with %s %j', (type, claim, value) =>
    expectRefused(type, ({ claims }) => sign(type, { ...claims[type], [claim]: value }), shapeRefusal(type)),
  )

  test.each(TYPES)('%s with no claims', (type) => expectRefused(type, () => sign(type, {}), shapeRefusal(type)))

  test.each(TYPES)('%s with its claims in __proto__', (type) =>
    expectRefused(
      type,
      ({ claims }) => sign(type, bytes(`{"__proto__":${JSON.stringify(claims[type])}}`)),
      shapeRefusal(type),
    ),
  )

  test.each(TYPES)('%s, though it expired too', (type) =>
    expectRefused(type, ({ claims }) => sign(type, { ...claims[type], exp: 1, sid: 5 }), shapeRefusal(type)),
  )
})

describe('a good signature at the wrong time, 401 Not valid token', () => {
  test.each([
    ['expired a second ago', { exp: T0 - 1 }],
    ['that expires now', { exp: T0 }],
    ['that expired in 1970', { exp: 0 }],
    ['from the far future', { iat: T0 + 10 ** 8, exp: T0 + 2 * 10 ** 8 }],
    ['from 61 s ahead', { iat: T0 + 61 }],
    ['that begins in a second', { nbf: T0 + 1 }],
  ])('refresh %s', (_name, claim) =>
    expectRefused('refresh', ({ claims }) => sign('refresh', { ...claims.refresh, ...claim }), everywhere(NOT_VALID)),
  )

  test.each([
    ['expired a second ago', { exp: T0 - 1 }],
    ['from the far future', { iat: T0 + 10 ** 8, exp: T0 + 2 * 10 ** 8 }],
    ['that begins in a second', { nbf: T0 + 1 }],
  ])('access %s', async (_name, claim) => {
    const { claims } = await open()
    const forged = await sign('access', { ...claims.access, ...claim })

    expect(await answer(await postToken('verify', forged))).toEqual(NOT_VALID.problem)
    expect(await answer(await postToken('refresh', forged))).toEqual(NOT_VALID.problem)
  })
})

describe('a good signature over the session of another account, 401 Not valid token', () => {
  const OTHER_GUID = '00000000-0000-4000-8000-000000000001'

  test.each([
    ['its id', { id: 1_000_000 }],
    ['its guid', { guid: OTHER_GUID, sub: OTHER_GUID }],
  ])('by %s, is refused before anything is written', async (_name, claim) => {
    const genuine = await open()
    const [access, refresh] = await Promise.all(TYPES.map((type) => sign(type, { ...genuine.claims[type], ...claim })))
    const before = await dumpTables(env.DB)

    const cookies = { access_token: access ?? '', refresh_token: refresh ?? '' }
    expect(await answer(await refreshWith(cookies))).toEqual(NOT_VALID.text)
    // From elsewhere it would have ended the session, were it meant.
    expect(await answer(await refreshWith(cookies, ELSEWHERE))).toEqual(NOT_VALID.text)
    expect(await answer(await postToken('refresh', refresh ?? ''))).toEqual(NOT_VALID.problem)
    const bearer = { Authorization: `Bearer ${access}` }
    for (const [method, path] of [
      ['GET', '/auth/me'],
      ['GET', '/auth/sessions'],
      ['DELETE', '/auth/sessions'],
    ] as const) {
      const response = await worker.call(path, { method, headers: bearer })
      expect([path, (await answer(response)).body]).toEqual([path, NOT_VALID.problem.body])
    }

    expect(await dumpTables(env.DB)).toEqual(before)
    await expectAlive(genuine)
  })

  test('by its id, is not active and ends nothing', async () => {
    const genuine = await open()
    const before = await dumpTables(env.DB)
    for (const type of TYPES) {
      const token = await sign(type, { ...genuine.claims[type], id: 1_000_000 })
      const headers = { Authorization: `Bearer ${env.SERVICE_KEY}` }
      const asked = await worker.call('/auth/token/introspect', { method: 'POST', json: { token }, headers })
      expect(await asked.json()).toEqual({ active: false })
      expect((await worker.call('/auth/token/revoke', { method: 'POST', json: { token } })).status).toBe(204)
      const cookies = { access_token: token }
      expect((await worker.call('/auth/session', { method: 'DELETE', cookies })).status).toBe(204)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    // Nor does a sign-in in a browser that has it end the session, as it would end its own.
    const cookies = { access_token: await sign('access', { ...genuine.claims.access, id: 1_000_000 }) }
    expect((await worker.call(`/${crypto.randomUUID()}`, { cookies })).status).toBe(200)
    await expectAlive(genuine)
  })
})

describe('the order of the checks', () => {
  const order: readonly (readonly [
    string,
    access: (g: Genuine) => string | Promise<string>,
    refresh: (g: Genuine) => string | Promise<string>,
    typeof MALFORMED,
  ])[] = [
    ['form before signature', (g) => signAsStranger('access', g.claims.access), () => 'x.y.z', MALFORMED],
    [
      'signature before claims',
      (g) => sign('access', { ...g.claims.access, sid: 5 }),
      (g) => signAsStranger('refresh', g.claims.refresh),
      NOT_VALID,
    ],
    [
      'claims before expiry',
      (g) => sign('access', { ...g.claims.access, sid: 5 }),
      (g) => sign('refresh', { ...g.claims.refresh, exp: 1 }),
      MALFORMED,
    ],
    [
      'expiry before pair',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, exp: 1 }),
      NOT_VALID,
    ],
    [
      'pair before use',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, sid: 'unknown' }),
      NOT_A_PAIR,
    ],
    [
      'pair before location',
      (g) => sign('access', { ...g.claims.access, jti: 'another' }),
      (g) => sign('refresh', { ...g.claims.refresh, ip: ELSEWHERE }),
      NOT_A_PAIR,
    ],
  ]

  test.each(order)('is %s', async (_name, access, refresh, expected) => {
    const genuine = await open()
    const cookies = { access_token: await access(genuine), refresh_token: await refresh(genuine) }
    reset()

    expect(await answer(await refreshWith(cookies))).toEqual(expected.text)
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })
})

describe('a header', () => {
  // Design: "never change what is trusted". The key is ours and the signature good, so all of these are ours.
  test.each([
    ['no typ', { typ: undefined }],
    ['another spelling of typ', { typ: 'application/jwt' }],
    ['a key of a stranger', { jwk: STRANGER_JWK }],
    ['places to fetch keys from', { jku: 'https://evil.example/jwks.json', x5u: 'https://evil.example/x.pem' }],
    ['a field of its own', { x: { y: 1 } }],
  ])('with %s changes nothing about a good signature, and nothing is fetched', async (_name, extra) => {
    const fetched = vi.spyOn(globalThis, 'fetch')
    const { claims } = await open()

    for (const type of TYPES) {
      const token = await sign(type, claims[type], { ...ownHeader(type), ...extra })
      expect(await answer(await postToken('verify', token))).toEqual(GOOD)
    }
    expect(fetched).not.toHaveBeenCalled()
    fetched.mockRestore()
  })
})

describe('a forged cookie beside the genuine one', () => {
  test.each(TYPES)('of the %s token is refused in either order', async (type) => {
    const genuine = await open()
    const forged = await signAsStranger(type, genuine.claims[type])
    const pair = `access_token=${genuine.access}; refresh_token=${genuine.refresh}`
    reset()

    for (const Cookie of [`${type}_token=${forged}; ${pair}`, `${pair}; ${type}_token=${forged}`]) {
      expect(await answer(await worker.call('/refresh', { headers: { Cookie } }))).toEqual(MALFORMED.text)
    }
    expect(roundTrips()).toBe(0)
    await expectAlive(genuine)
  })
})
