/**
 * What the floors share: keys that are imported once per isolate, and a JWT as the platform itself would do it, with
 * nothing looked at that the answer does not need.
 */

import type { Recorded } from '../statements.ts'

/** What the harness binds. Texts, since bindings of a Worker are texts. */
export interface FloorEnv {
  readonly DB: D1Database
  /** Public JWK of Tessera's access tokens. */
  readonly VERIFY_JWK: string
  /** Private JWK of an ES256 key, and 32 bytes in base64: the floors sign with keys of their own. */
  readonly SIGN_JWK: string
  readonly HMAC_KEY: string
  /** `Recorded`, as JSON. */
  readonly STATEMENTS: string
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HMAC = { name: 'HMAC', hash: 'SHA-256' }
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Builds a value on the first request of an isolate, and keeps it. */
export function once<T>(build: (env: FloorEnv) => T): (env: FloorEnv) => T {
  let built: { readonly value: T } | undefined
  return (env) => (built ??= { value: build(env) }).value
}

export const verifyKey = once((env) =>
  crypto.subtle.importKey('jwk', JSON.parse(env.VERIFY_JWK) as JsonWebKey, ECDSA, false, ['verify']),
)

export const ownVerifyKey = once((env) => {
  const { kty, crv, x, y } = JSON.parse(env.SIGN_JWK) as JsonWebKey
  return crypto.subtle.importKey('jwk', { kty, crv, x, y } as JsonWebKey, ECDSA, false, ['verify'])
})

export const signKey = once((env) =>
  crypto.subtle.importKey('jwk', JSON.parse(env.SIGN_JWK) as JsonWebKey, ECDSA, false, ['sign']),
)

export const hmacKey = once((env) =>
  crypto.subtle.importKey('raw', Uint8Array.fromBase64(env.HMAC_KEY), HMAC, false, ['sign', 'verify']),
)

export const statements = once((env) => {
  const recorded = JSON.parse(env.STATEMENTS) as Recorded
  const prepare = ({ text, values }: Recorded['rotate'][number]) => {
    const prepared = env.DB.prepare(text)
    return (named: Readonly<Record<string, unknown>>) =>
      prepared.bind(...values.map((value) => (typeof value === 'object' && value ? named[value.name] : value)))
  }
  const { rotate: rotation, open, account, signIn } = recorded
  return {
    rotate: rotation.map(prepare),
    open: open.map(prepare),
    account: account.map(prepare),
    signIn: signIn.map(prepare),
  }
})

/** Whether a token has a good signature. Nothing else of it is looked at. */
export function isSigned(algorithm: 'ES256' | 'HS256', key: CryptoKey, token: string): Promise<boolean> {
  const end = token.lastIndexOf('.')
  const signature = Uint8Array.fromBase64(token.slice(end + 1), { alphabet: 'base64url' })
  return crypto.subtle.verify(algorithm === 'ES256' ? ECDSA : HMAC, key, signature, encoder.encode(token.slice(0, end)))
}

/** The claims of a token whose signature is good. */
export async function readToken<Claims>(algorithm: 'ES256' | 'HS256', key: CryptoKey, token: string): Promise<Claims> {
  if (!(await isSigned(algorithm, key, token))) throw new Error('signature')
  const payload = token.slice(token.indexOf('.') + 1, token.lastIndexOf('.'))
  return JSON.parse(decoder.decode(Uint8Array.fromBase64(payload, { alphabet: 'base64url' }))) as Claims
}

// As long as Tessera's: a thumbprint has 43 characters, the other name 22.
const ES256_HEADER = toBase64url(encoder.encode(`{"alg":"ES256","typ":"JWT","kid":"${'f'.repeat(43)}"}`))
const HS256_HEADER = toBase64url(encoder.encode(`{"alg":"HS256","typ":"JWT","kid":"${'f'.repeat(22)}"}`))

export interface PairClaims {
  readonly iss: string
  readonly sub: string
  readonly id: number
  readonly guid: string
  readonly sid: string
  readonly jti: string
  readonly iat: number
}

/** Both tokens of a pair: the claims that Tessera signs, too. */
export async function signPair(
  env: FloorEnv,
  shared: PairClaims,
  { group, exp, ip }: { group: string; exp: number; ip: string },
): Promise<{ access: string; refresh: string }> {
  const [access, refresh] = await Promise.all([
    sign(ES256_HEADER, ECDSA, await signKey(env), { ...shared, exp: shared.iat + 300, group, token_type: 'access' }),
    sign(HS256_HEADER, HMAC, await hmacKey(env), { ...shared, exp, ip, token_type: 'refresh' }),
  ])
  return { access, refresh }
}

async function sign(header: string, algorithm: object, key: CryptoKey, claims: object): Promise<string> {
  const signed = `${header}.${toBase64url(encoder.encode(JSON.stringify(claims)))}`
  const signature = await crypto.subtle.sign(algorithm as SubtleCryptoSignAlgorithm, key, encoder.encode(signed))
  return `${signed}.${toBase64url(new Uint8Array(signature))}`
}

function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** One row of the second statement of both batches. */
export interface Row {
  readonly sid: string
  readonly jti: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly address: string
  readonly userId: number
  readonly id: number
  readonly guid: string
  readonly email: string | null
  readonly group: string
}

/** The rotation, in its one round trip. Returns the row as it is after it. */
export async function rotate(
  env: FloorEnv,
  values: { sid: string; userId: number; guid: string; presentedJti: string; nextJti: string },
  headers: Headers,
): Promise<Row> {
  const named = { ...values, ...common(headers) }
  const [, found] = await env.DB.batch<Row>(statements(env).rotate.map((bind) => bind(named)))
  const row = found?.results[0]
  if (row?.jti !== values.nextJti) throw new Error('lost')
  return row
}

/** The row after the rotation of a presented token, and its pair. */
export async function renew(env: FloorEnv, { iss, sid, id, guid, jti }: PairClaims, headers: Headers) {
  const row = await rotate(env, { sid, userId: id, guid, presentedJti: jti, nextJti: crypto.randomUUID() }, headers)
  const { group } = row
  const shared = { iss, sub: guid, id, guid, sid, jti: row.jti, iat: row.issuedAt }
  return { row, pair: await signPair(env, shared, { group, exp: row.expiresAt, ip: row.address }) }
}

/** What both batches store of a request. */
export function common(headers: Headers) {
  const now = Math.floor(Date.now() / 1000)
  return {
    now,
    expiresAt: now + 864_000,
    refreshTtlSeconds: 864_000,
    sessionMaxSeconds: 7_776_000,
    address: headers.get('CF-Connecting-IP'),
    userAgent: headers.get('User-Agent'),
  }
}

/** The pair as two `Set-Cookie` lines. */
export function setPair(response: Response, { access, refresh }: { access: string; refresh: string }): Response {
  response.headers.append(
    'Set-Cookie',
    `access_token=${access}; Max-Age=864000; Path=/; HttpOnly; Secure; SameSite=Strict`,
  )
  response.headers.append(
    'Set-Cookie',
    `refresh_token=${refresh}; Max-Age=864000; Path=/refresh; HttpOnly; Secure; SameSite=Strict`,
  )
  return response
}
