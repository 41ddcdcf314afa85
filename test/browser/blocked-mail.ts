/** The mail that an owner gets about a blocked refresh, read where docs/api.md says that scripts find it. */

import { expect } from 'vitest'

import { linkIn, nextMailTo } from './mailbox.ts'
import type { Account } from './tessera.ts'

/** The links in it. */
export interface Links {
  readonly endSessions: string
  readonly allowPlace: string
}

let places = 0

/** Has a session of the account blocked by a refresh from a place of its own, and reads the mail about it. */
export async function blockSession(origin: string, account: Account, userAgent: string): Promise<Links> {
  const { primary_email, password } = account
  const signedIn = await post(`${origin}/auth/token`, { primary_email, password })
  const { refresh } = (await signedIn.json()) as { refresh: string }
  places += 1
  const address = `2001:db8:ffff:${(0xf000 + places).toString(16)}:ffff:ffff:ffff:ffff`
  const elsewhere = { 'CF-Connecting-IP': address, 'User-Agent': userAgent }
  const blocked = await post(`${origin}/auth/token/refresh`, { refresh }, elsewhere)
  expect(blocked.status).toBe(401)
  return linksIn(await nextMailTo(origin, primary_email, 'moved to another place'))
}

function linksIn(text: string): Links {
  return { endSessions: linkIn(text, '/links/end-sessions'), allowPlace: linkIn(text, '/links/allow-place') }
}

function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}
