/**
 * Sessions of a test, opened as a back end opens them. A session has one pair, whatever carries it: a browser gets it as cookies, everybody
 * else as two texts. A test takes one of the two, since a refresh by either uses up the pair of both.
 */

import { toError, type User } from './accounts.ts'
import { HOME, type Place, type Served } from './serve.ts'

export interface NewSession {
  /** Where its client is: an IPv4 or IPv6 address. That of this machine, from where browsers and applications of a test come, where it is left out. */
  readonly address?: string
  /** What its client calls itself. */
  readonly userAgent?: string
}

/** A cookie as Playwright's `context.addCookies` takes it, with the attributes that Tessera gave it. */
export interface SessionCookie {
  readonly name: string
  readonly value: string
  readonly domain: string
  readonly path: string
  /** Seconds since 1970, by the clock of this machine. */
  readonly expires: number
  readonly httpOnly: boolean
  readonly secure: boolean
  readonly sameSite: (typeof SAME_SITE)[number]
}

export interface Session {
  readonly sid: string
  /** The user that it is of. */
  readonly guid: string
  /** For the `Authorization` of whoever is no browser. */
  readonly access: string
  /** For `POST /auth/token/refresh`. */
  readonly refresh: string
  /** For a browser: `context.addCookies(session.cookies)`. A new array, since Playwright's is not read-only. */
  readonly cookies: SessionCookie[]
  /** The same as the header `Cookie`, for `fetch`. */
  readonly cookieHeader: string
}

/** What a thief is answered. */
export interface Theft {
  readonly status: number
  /** One of the codes of docs/api.md; `null` where the pair was taken. */
  readonly code: string | null
}

/** A network and a country that no other request of a test comes from, by an address for documentation (RFC 3849). */
const THIEF: Place = {
  address: '2001:db8:66::1',
  country: 'IS',
  city: 'Akureyri',
  asn: 64_514,
  provider: 'Example Hosting',
}
const THIEF_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0'
const AGENT = 'tessera/testing'
const SAME_SITE = ['Strict', 'Lax', 'None'] as const

/** Opens a session for a user. Throws what Tessera answered where it opens none. */
export async function createSession(
  { ask, origin }: Served,
  base: string,
  serviceKey: string,
  { guid }: Pick<User, 'guid'>,
  { address = HOME.address, userAgent = AGENT }: NewSession,
): Promise<Session> {
  const headers = {
    Accept: 'application/json',
    Authorization: `Bearer ${serviceKey}`,
    'Tessera-Client-IP': address,
    'Tessera-Client-Country': HOME.country,
    'Tessera-Client-City': HOME.city,
    'Tessera-Client-ASN': String(HOME.asn),
    'Tessera-Client-User-Agent': userAgent,
  }
  const answer = await ask(`${base}/${guid}`, { headers }, HOME)
  if (!answer.ok) throw await toError('opens no session', answer)
  const cookies = answer.headers.getSetCookie().map((line) => readCookie(line, new URL(origin).hostname))
  const valueOf = (name: string) => cookies.find((cookie) => cookie.name === name)?.value ?? ''
  const refresh = valueOf('refresh_token')
  const claims: { sid: string } = JSON.parse(Buffer.from(refresh.split('.')[1] ?? '', 'base64url').toString())
  return {
    sid: claims.sid,
    guid,
    access: valueOf('access_token'),
    refresh,
    cookies,
    cookieHeader: cookies.map(({ name, value }) => `${name}=${value}`).join('; '),
  }
}

/** Presents a pair from another network and another country, as a thief would. */
export async function steal(
  { ask }: Served,
  base: string,
  { access, refresh }: Pick<Session, 'access' | 'refresh'>,
): Promise<Theft> {
  const headers = {
    Accept: 'application/json',
    Cookie: `access_token=${access}; refresh_token=${refresh}`,
    'User-Agent': THIEF_AGENT,
  }
  const answer = await ask(`${base}/refresh`, { headers }, THIEF)
  const body = await answer.text()
  const problem: { readonly code?: string } = body === '' ? {} : JSON.parse(body)
  return { status: answer.status, code: problem.code ?? null }
}

/** A line of `Set-Cookie` (RFC 6265 section 4.1), as a browser on this machine would keep it. */
function readCookie(line: string, host: string): SessionCookie {
  const [pair = '', ...rest] = line.split(/; */)
  const attributes = new Map(rest.map((part) => splitOnce(part)).map(([name, value]) => [name.toLowerCase(), value]))
  const [name, value] = splitOnce(pair)
  return {
    name,
    value,
    domain: attributes.get('domain') ?? host,
    path: attributes.get('path') ?? '/',
    expires: Math.floor(Date.now() / 1000) + Number(attributes.get('max-age')),
    httpOnly: attributes.has('httponly'),
    secure: attributes.has('secure'),
    sameSite: SAME_SITE.find((one) => one === attributes.get('samesite')) ?? 'Strict',
  }
}

function splitOnce(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
