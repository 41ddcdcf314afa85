/** Astro with `output: 'server'`: `src/middleware.ts`. */

import { defineMiddleware } from 'astro:middleware'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const APP = 'https://www.example.com'
const TESSERA = 'https://auth.example.com'
const keys = createRemoteJWKSet(new URL(`${TESSERA}/.well-known/jwks.json`))

export const onRequest = defineMiddleware(async ({ cookies, redirect, request, url }, next) => {
  if (url.pathname === '/sign-in') return next()
  const token = cookies.get('access_token')?.value ?? ''
  const verified = await jwtVerify(token, keys, { issuer: TESSERA, algorithms: ['ES256'] }).catch(() => null)
  if (verified?.payload['token_type'] === 'access') return next()
  const isNavigation = request.method === 'GET' && request.headers.get('Sec-Fetch-Mode') === 'navigate'
  if (!isNavigation) return new Response(null, { status: 401 })
  return redirect(`${TESSERA}/refresh?to=${encodeURIComponent(APP + url.pathname + url.search)}`, 303)
})
