/** SvelteKit: `src/hooks.server.ts`. */

import { error, redirect } from '@sveltejs/kit'
import type { Handle } from '@sveltejs/kit/hooks'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const APP = 'https://www.example.com'
const TESSERA = 'https://auth.example.com'
const keys = createRemoteJWKSet(new URL(`${TESSERA}/.well-known/jwks.json`))

export const handle: Handle = async ({ event, resolve }) => {
  const { cookies, isDataRequest, request, url } = event
  if (url.pathname === '/sign-in') return resolve(event)
  const token = cookies.get('access_token') ?? ''
  const verified = await jwtVerify(token, keys, { issuer: TESSERA, algorithms: ['ES256'] }).catch(() => null)
  if (verified?.payload['token_type'] === 'access') return resolve(event)
  const isNavigation = isDataRequest || request.headers.get('Sec-Fetch-Mode') === 'navigate'
  if (request.method !== 'GET' || !isNavigation) return error(401)
  const to = encodeURIComponent(APP + url.pathname + url.search)
  return redirect(303, `${TESSERA}/refresh?to=${to}`, { external: true })
}
