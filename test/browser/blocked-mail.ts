/** The mail that an owner gets about a blocked refresh, read where docs/api.md says that scripts find it. */

import { expect } from 'vitest'

import type { Account } from './tessera.ts'

/** The links in it. */
export interface Links {
  readonly endSessions: string
  readonly allowPlace: string
}

const read = new Set<string>()
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
  return linksIn(await nextMail(origin))
}

/** The text of a mail that was not read before, as soon as there is one. */
async function nextMail(origin: string): Promise<string> {
  const url = `${origin}/cdn-cgi/local/explorer/api/local/email/sending`
  const unread = async () => {
    const { result } = (await (await fetch(url)).json()) as { result: { messageId: string }[] }
    return result.map(({ messageId }) => messageId).filter((id) => !read.has(id))
  }
  await expect.poll(unread, { timeout: 20_000 }).toHaveLength(1)
  const [id = ''] = await unread()
  read.add(id)
  const { result } = (await (await fetch(`${url}?email_id=${encodeURIComponent(id)}`)).json()) as {
    result: { text: string }
  }
  return result.text
}

function linksIn(text: string): Links {
  const [allowPlace = '', endSessions = ''] = text.match(/^http\S+$/gm) ?? []
  expect([allowPlace, endSessions]).toEqual([
    expect.stringMatching(/\/links\/allow-place\?token=./),
    expect.stringMatching(/\/links\/end-sessions\?token=./),
  ])
  return { endSessions, allowPlace }
}

function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}
