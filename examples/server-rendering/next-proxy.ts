/** Next.js: `proxy.ts`, beside the folder `app`. */

import { createRemoteJWKSet, jwtVerify } from 'jose'
import { type NextRequest, NextResponse } from 'next/server'

const APP = 'https://www.example.com'
const TESSERA = 'https://auth.example.com'
const keys = createRemoteJWKSet(new URL(`${TESSERA}/.well-known/jwks.json`))

export async function proxy({ cookies, headers, method, nextUrl }: NextRequest) {
  const token = cookies.get('access_token')?.value ?? ''
  const verified = await jwtVerify(token, keys, { issuer: TESSERA, algorithms: ['ES256'] }).catch(() => null)
  if (verified?.payload['token_type'] === 'access') return NextResponse.next()
  if (method !== 'GET' || headers.get('Sec-Fetch-Mode') !== 'navigate') return new Response(null, { status: 401 })
  const to = APP + nextUrl.pathname + nextUrl.search
  return NextResponse.redirect(`${TESSERA}/refresh?to=${encodeURIComponent(to)}`, 303)
}

export const config = { matcher: '/((?!_next/|favicon.ico|sign-in).*)' }
