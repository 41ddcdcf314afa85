/** The public keys of an issuer over HTTP. */

import { FETCH_MS, type KeySet, type KeySource } from './key-set.ts'

/** Fetches the keys of this issuer, and asks only for others from then on (RFC 9110 section 13.1.2). Throws, or gives none, where they cannot be had. */
export function keysOf(issuer: string): KeySource {
  let set: Pick<KeySet, 'keys'> = { keys: [] }
  let tag: string | null = null
  return async () => {
    const response = await fetch(`${issuer}/.well-known/jwks.json`, {
      headers: { ...(tag && { 'If-None-Match': tag }) },
      signal: AbortSignal.timeout(FETCH_MS),
    })
    const { status, headers } = response
    if (status === 200) {
      set = await response.json()
      tag = headers.get('ETag')
    } else if (status !== 304) return { ok: false }
    const maxAge = /\bmax-age=(\d+)/i.exec(headers.get('Cache-Control') ?? '')?.[1]
    // RFC 9111 section 4.2: a cache on the way has used some of it. Where an answer does not say how long it is fresh, this is not a number.
    return { ...set, maxAgeSeconds: Number(maxAge) - Number(headers.get('Age')) }
  }
}
