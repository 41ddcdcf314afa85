/** Nuxt: `server/middleware/signed-in.ts`. */

import { createRemoteJWKSet, jwtVerify } from 'jose'
import { createError, defineEventHandler, getCookie, getHeader, sendRedirect } from 'h3'

const APP = 'https://www.example.com'
const TESSERA = 'https://auth.example.com'
const keys = createRemoteJWKSet(new URL(`${TESSERA}/.well-known/jwks.json`))

export default defineEventHandler(async (event) => {
  if (event.path.startsWith('/_nuxt/') || event.path.startsWith('/sign-in')) return undefined
  const token = getCookie(event, 'access_token') ?? ''
  const verified = await jwtVerify(token, keys, { issuer: TESSERA, algorithms: ['ES256'] }).catch(() => null)
  if (verified?.payload['token_type'] === 'access') return undefined
  const isNavigation = event.method === 'GET' && getHeader(event, 'Sec-Fetch-Mode') === 'navigate'
  if (!isNavigation) throw createError({ statusCode: 401 })
  return sendRedirect(event, `${TESSERA}/refresh?to=${encodeURIComponent(APP + event.path)}`, 303)
})
