/** Renews a pair that is over, before anything is rendered. */

import { NextResponse } from 'next/server'

import { tessera } from './tessera.js'

export async function proxy(request) {
  return (await tessera.proxy(request)) ?? NextResponse.next()
}

export const config = { matcher: '/orders/:path*' }
