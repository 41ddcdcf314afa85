/** An access token, verified with the public keys of Tessera: no request to it is needed but for the keys, once. */

import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'

import { TESSERA } from './serve.ts'

const keys = createRemoteJWKSet(new URL(`${TESSERA}/.well-known/jwks.json`))
/** What jose throws when it could not get the keys. It says nothing about the token. */
const NO_KEYS = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'])

/** What the token says, or `null` for one that is over or was never good. Throws where the keys cannot be had. */
export async function verifyAccessToken(token: string): Promise<JWTPayload | null> {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: TESSERA, algorithms: ['ES256'] })
    return payload['token_type'] === 'access' ? payload : null
  } catch (error) {
    if (error instanceof errors.JOSEError && !NO_KEYS.has(error.code)) return null
    throw error
  }
}

/** The same for the access token in the cookies of a request. */
export async function readAccessCookie(request: Request): Promise<JWTPayload | null> {
  return verifyAccessToken(readCookie(request, 'access_token'))
}

/** The value of a cookie, or `''`. */
export function readCookie(request: Request, name: string): string {
  const cookies = (request.headers.get('Cookie') ?? '').split(';').map((cookie) => cookie.trim())
  return cookies.find((cookie) => cookie.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
}
