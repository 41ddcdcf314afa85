/** The verifier that other services have: what it takes for a good access token, and what it says of every other. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'

import type { AccessClaims } from '../../../src/domain/tokens/claims.ts'
import { signCompact } from '../../../src/domain/tokens/compact-jws.ts'
import { deriveKeys } from '../../../src/domain/tokens/keys.ts'
import { importRsaKey, readPkcs8 } from '../../../src/domain/tokens/rsa-key.ts'
import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import { type ErrorCode, ERRORS } from '../../../src/errors.ts'
import { type AccessTokenClaims, createVerifier, type VerifierOptions } from '../../../src/verifier/verifier.ts'
import { accessClaims, refreshClaims, SECRET, tokens, without } from '../../support/claims.ts'
import { ISSUER, NOW } from '../../support/fakes.ts'
import { ecJwk, encodePart, forge, hmacKey, strangerKeys, testKeys, twinOf } from '../../support/forge.ts'
import { ROOT } from '../../support/markdown.ts'
import { newRsaKey } from '../../support/rsa.ts'

const OWN = testKeys.access.signing
const HEADER = { alg: 'ES256', typ: 'JWT', kid: OWN.kid }

const keys = async () => ({ keys: testKeys.jwks.keys, maxAgeSeconds: 300 })

function verify(token: string, options: Partial<VerifierOptions> = {}) {
  return createVerifier({ issuer: ISSUER, keys, now: () => NOW, ...options }).verify(token)
}

/** A refusal as the error table has it. */
function refusedFor(cause: string, code: ErrorCode = 'token_not_valid') {
  return { ok: false, code, status: ERRORS[code].status, detail: ERRORS[code].details[0], cause }
}

/** What Tessera signs: each of these has the type that it is signed with. */
function signedPart(claims: AccessTokenClaims): AccessClaims {
  const { iss, sub, id, guid, group, sid, jti, iat, exp, token_type } = claims
  return { iss, sub, id, guid, group, sid, jti, iat, exp, token_type }
}

/** A token of our own key over other claims. */
function signed(changes: object, header: object = HEADER): Promise<string> {
  return forge(header, { ...accessClaims, ...changes }, OWN)
}

describe('an access token', () => {
  test('is good, and its claims are all that it says', async () => {
    expect(await verify(await tokens.sign(accessClaims))).toEqual({ ok: true, claims: accessClaims })
  })

  test('is good with claims of its account’s own, in any letters, which nobody knows the types of', async () => {
    const own = { plan: 'größer', seats: [1, 2], external_id: 'x' }
    expect(await verify(await signed(own))).toEqual({ ok: true, claims: { ...accessClaims, ...own } })
  })

  test('is good under a key that is another one today: each in the set verifies', async () => {
    const before = createTokens(await deriveKeys(SECRET, []))
    const next = await deriveKeys('An0th3rSecret/AnotherSecret+AnotherSecret=', [SECRET])
    const source = async () => ({ ...next.jwks, maxAgeSeconds: 300 })
    expect(await verify(await before.sign(accessClaims), { keys: source })).toMatchObject({ ok: true })
    expect(await verify(await createTokens(next).sign(accessClaims), { keys: source })).toMatchObject({ ok: true })
  })

  test('is good under RS256, by a key that is one of RS256', async () => {
    const pkcs8 = readPkcs8(await newRsaKey())
    if (typeof pkcs8 === 'string') throw new Error(pkcs8)
    const rsa = await importRsaKey(pkcs8)
    const both = await deriveKeys(SECRET, [], { alg: 'RS256', rsa: [rsa] })
    const source = async () => ({ ...both.jwks, maxAgeSeconds: 300 })
    const token = await createTokens(both).sign(accessClaims)
    expect(await verify(token, { keys: source })).toEqual({ ok: true, claims: accessClaims })
    // The set has both keys, and each is good for its own algorithm.
    const confused = await forge({ alg: 'RS256', kid: ecJwk(testKeys).kid }, accessClaims, OWN)
    expect(await verify(confused, { keys: source })).toEqual(refusedFor('header'))
  })

  test.each(['JWT', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/JWT'])(
    'may be of the type %s',
    async (typ) => {
      expect(await verify(await signCompact(typ, accessClaims, OWN))).toMatchObject({ ok: true })
    },
  )

  test('may have no type', async () => {
    expect(await verify(await signed({}, without(HEADER, 'typ')))).toMatchObject({ ok: true })
  })
})

describe('what is refused', () => {
  const malformed: readonly (readonly [what: string, text: unknown])[] = [
    ['no text at all', ''],
    ['two parts', 'a.b'],
    ['four parts', 'a.b.c.d'],
    ['a header that is no object', `${encodePart([1])}.${encodePart({})}.`],
    ['a payload that is no object', `${encodePart(HEADER)}.${encodePart(null)}.`],
    ['padding', `${encodePart(HEADER)}.${encodePart(accessClaims)}.=`],
    ['a text that is too long', `${encodePart(HEADER)}.${encodePart({ ...accessClaims, long: 'x'.repeat(4096) })}.`],
    ['nothing', undefined],
    ['a symbol', Symbol('token')],
    ['an object', { toString: () => 'a.b' }],
  ]
  test.each(malformed)('%s: it is no token', async (_what, text) => {
    expect(await verify(text as string)).toEqual(refusedFor('form', 'wrong_data_structure'))
  })

  test('what cannot even be read: nothing is thrown', async () => {
    const hostile = {
      toString(): string {
        throw new Error('no')
      },
    }
    expect(await verify(hostile as unknown as string)).toMatchObject({ ok: false })
  })

  test('a header of another kind, each before any key is looked for', async () => {
    const fetched: string[] = []
    const counted = () => {
      fetched.push('keys')
      return keys()
    }
    const hmac = await hmacKey(JSON.stringify(ecJwk(testKeys)))
    const headers: readonly (readonly [header: object, key: CryptoKey])[] = [
      [{ ...HEADER, alg: 'HS256' }, hmac],
      [{ ...HEADER, alg: 'none' }, OWN],
      [without(HEADER, 'alg'), OWN],
      [without(HEADER, 'kid'), OWN],
      [{ ...HEADER, kid: 7 }, OWN],
      [{ ...HEADER, crit: [] }, OWN],
      [{ ...HEADER, crit: ['exp'] }, OWN],
      [{ ...HEADER, typ: 'dpop+jwt' }, OWN],
      [{ ...HEADER, typ: 7 }, OWN],
      [{ ...HEADER, typ: 'at+jwtx' }, OWN],
    ]
    for (const [header, key] of headers) {
      expect(await verify(await forge(header, accessClaims, key), { keys: counted }), JSON.stringify(header)).toEqual(
        refusedFor('header'),
      )
    }
    expect(await verify(await tokens.sign(refreshClaims), { keys: counted })).toEqual(refusedFor('header'))
    expect(await verify(await signed({ iss: `${ISSUER}/` }), { keys: counted })).toEqual(refusedFor('issuer'))
    expect(await verify(await signed({ iss: [ISSUER] }), { keys: counted })).toEqual(refusedFor('issuer'))
    expect(fetched).toEqual([])
  })

  test('the algorithm of another key', async () => {
    expect(await verify(await signed({}, { ...HEADER, alg: 'RS256' }))).toEqual(refusedFor('header'))
  })

  test('a key that is not in the set, whatever the token brings along', async () => {
    const jwk = ecJwk(strangerKeys)
    const stranger = strangerKeys.access.signing
    const header = { ...HEADER, kid: jwk.kid, jwk, jku: `${ISSUER}/.well-known/jwks.json` }
    expect(await verify(await forge(header, accessClaims, stranger))).toEqual(refusedFor('kid'))
    // Under the name of ours, its signature does not fit.
    expect(await verify(await forge(HEADER, accessClaims, stranger))).toEqual(refusedFor('signature'))
  })

  test('a signature that is altered, missing, or spelled in another way', async () => {
    const token = await tokens.sign(accessClaims)
    const [header = '', , signature = ''] = token.split('.')
    const others = [
      `${header}.${encodePart({ ...accessClaims, group: 'admin' })}.${signature}`,
      token.slice(0, token.lastIndexOf('.') + 1),
      token.slice(0, -1),
      token.slice(0, -4),
      `${token}A`,
      // The spare bits of the last character: A, Q, g and w are those without any.
      `${token.slice(0, -1)}${String.fromCharCode((token.codePointAt(token.length - 1) ?? 0) + 1)}`,
    ]
    for (const other of others) expect(await verify(other), other).toEqual(refusedFor('signature'))
    // ECDSA has two signatures for each, which is why nothing is keyed by the text of a token.
    expect(await verify(twinOf(token))).toMatchObject({ ok: true })
  })

  test('another type of token under the key of access tokens', async () => {
    expect(await verify(await signed({ token_type: 'refresh' }))).toEqual(refusedFor('type'))
    expect(await verify(await signed({ token_type: 'link' }))).toEqual(refusedFor('type'))
  })

  test.each([
    ['exp', undefined],
    ['exp', `${NOW + 300}`],
    ['exp', NOW + 0.5],
    ['token_type', undefined],
    ['token_type', 1],
    ['sub', 'another'],
    ['guid', undefined],
    ['group', undefined],
    ['group', 1],
    ['sid', undefined],
    ['jti', undefined],
    ['id', '7'],
    ['id', 1.5],
    ['iat', undefined],
    ['nbf', 'soon'],
    ['aud', [ISSUER]],
    ['aud', null],
  ])('a good signature over claims of another shape: %s is %j', async (name, value) => {
    const answer = await verify(await signed({ [name]: value }))
    expect(answer).toEqual(refusedFor('claims', 'wrong_data_structure'))
  })

  test('what is out of its time, to the second, unless the clocks may differ', async () => {
    const late = refusedFor('out of its time')
    expect(await verify(await signed({ exp: NOW + 1 }))).toMatchObject({ ok: true })
    expect(await verify(await signed({ exp: NOW }))).toEqual(late)
    expect(await verify(await signed({ nbf: NOW }))).toMatchObject({ ok: true })
    expect(await verify(await signed({ nbf: NOW + 1 }))).toEqual(late)
    const tolerant = { clockToleranceSeconds: 5 }
    expect(await verify(await signed({ exp: NOW - 4 }), tolerant)).toMatchObject({ ok: true })
    expect(await verify(await signed({ exp: NOW - 5 }), tolerant)).toEqual(late)
    expect(await verify(await signed({ nbf: NOW + 5 }), tolerant)).toMatchObject({ ok: true })
    expect(await verify(await signed({ nbf: NOW + 6 }), tolerant)).toEqual(late)
  })

  test('an audience that is not the one of the verifier; and any, where it has none', async () => {
    const ofOrders = await signed({ aud: 'orders' })
    expect(await verify(ofOrders, { audience: 'orders' })).toMatchObject({ ok: true })
    for (const audience of ['order', 'orders2', undefined]) {
      expect(await verify(ofOrders, { audience }), audience).toEqual(refusedFor('audience'))
    }
    expect(await verify(await signed({}), { audience: 'orders' })).toEqual(refusedFor('audience'))
  })
})

describe('what callers build on', () => {
  test('its claims are those that are signed', () => {
    const written: AccessTokenClaims = { ...accessClaims }
    expect(signedPart(written)).toEqual(accessClaims)
  })

  test('it takes less than 2 KiB, and nothing but a few files of the rules', async () => {
    const { outputFiles, metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: ['src/verifier/verifier.ts'],
      bundle: true,
      minify: true,
      format: 'esm',
      metafile: true,
      write: false,
    })
    expect(gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length).toBeLessThan(2048)
    const rules = Object.keys(metafile.inputs).filter((path) => !path.startsWith('src/verifier/'))
    expect(rules.toSorted()).toEqual([
      'src/domain/tokens/base64url.ts',
      'src/domain/tokens/compact-jws.ts',
      'src/domain/tokens/token-form.ts',
    ])
  })

  test('the types of tessera/verify and tessera/rpc need neither those of Cloudflare nor those of Node nor a DOM', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Readonly<Record<string, string>>
    }
    const folder = join(ROOT, '.wrangler/test-verify')
    mkdirSync(folder, { recursive: true })
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    const emit = '--declaration --emitDeclarationOnly --noEmit false --rootDir src --lib esnext,dom'.split(' ')
    const plain = '--strict --target esnext --module esnext --moduleResolution bundler'.split(' ')
    const own = '--allowImportingTsExtensions --rewriteRelativeImportExtensions --ignoreConfig --skipLibCheck'.split(
      ' ',
    )
    const entries = ['./verify', './rpc'].map((name) => join(ROOT, exports[name] ?? ''))
    execFileSync(tsc, [...plain, ...own, ...emit, '--types', '', '--outDir', join(folder, 'types'), ...entries], {
      cwd: ROOT,
    })
    writeFileSync(
      join(folder, 'reader.ts'),
      `import type { TokenServiceBinding } from './types/rpc/contract.js'
import { createVerifier } from './types/verifier/verifier.js'
declare const TESSERA: TokenServiceBinding
const verifier = createVerifier({ issuer: 'https://auth.example.com', keys: () => TESSERA.keys() })
const refreshed = await TESSERA.refresh({ refresh: '' }, { ip: '' })
if (refreshed.ok) refreshed.accessExpiresAt.toFixed()
else refreshed.status satisfies number
const answer = await verifier.verify('')
if (answer.ok) answer.claims.exp.toFixed()
else answer.code satisfies 'wrong_data_structure' | 'token_not_valid' | 'unavailable'
// @ts-expect-error -- nobody knows what an own claim is
if (answer.ok) answer.claims['plan'].length
export {}
`,
    )
    const check = ['--noEmit', '--types', '', '--lib', 'esnext', '--ignoreConfig', join(folder, 'reader.ts')]
    expect(() => execFileSync(tsc, [...plain, ...check], { cwd: ROOT, stdio: 'pipe' })).not.toThrow()
  })
})
