/**
 * The refusals of the OpenAPI document, held against the Worker: whatever is asked of whichever operation, the answer is as the document
 * says, and each error that an operation names is met there.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { confirm, forgot, GOOD_PASSWORD, linkTo, OTHER_PASSWORD, register } from '../../support/account-life.ts'
import { PASSWORD } from '../../support/accounts.ts'
import { acceptOffer, openBound } from '../../support/dbsc.ts'
import { createProvingClient } from '../../support/dpop.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { forgedCopy } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { codesOf, responseOf, routes } from '../../support/openapi.ts'
import { post, SERVICE } from '../../support/requests.ts'
import { type Cookies, open, openByGuid } from '../../support/sessions.ts'
import { watch, type WatchedWorker } from '../../support/watched-worker.ts'
import {
  type CallOptions,
  ELSEWHERE,
  ORIGIN,
  type Overrides,
  pairOf,
  setCookies,
  worker,
} from '../../support/worker.ts'

keepLog('warn')

const down = faultyDatabase(env.DB)
down.failForGood('before')
const FULL = { limit: () => Promise.resolve({ success: false }) }

/** What is asked of an operation; `guid` stands in its path. */
type Asked = Omit<CallOptions, 'headers'> & {
  readonly headers?: Readonly<Record<string, string>>
  readonly guid?: string
}

/** What an address, a password or a token may be, in whatever field an operation reads it. */
const SENT = {
  primary_email: 'somebody@example.com',
  password: GOOD_PASSWORD,
  current_password: GOOD_PASSWORD,
  new_password: OTHER_PASSWORD,
  new_email: 'next@example.com',
  token: 'junk',
  refresh: 'junk',
  guid: crypto.randomUUID(),
}

const NO_ADDRESS = { ip: null }
const OF_THE_KEY = { headers: SERVICE }

function naming(client: Readonly<Record<string, string>>): Asked {
  return { headers: { ...SERVICE, ...client } }
}

/** Requests that are the same whoever comes, and of which Worker. */
const REQUESTS: Readonly<Record<string, readonly [asked: Asked, overrides?: Overrides]>> = {
  'nothing but the request': [{}],
  'junk for a bearer token': [{ headers: { Authorization: 'Bearer junk' } }],
  'junk for cookies': [{ cookies: { access_token: 'junk', refresh_token: 'junk' } }],
  'a cookie twice': [{ headers: { Cookie: 'access_token=a; access_token=b; refresh_token=c' } }],
  'a page of another site': [{ headers: { 'Sec-Fetch-Site': 'cross-site' } }],
  'a wrong key that names a client': [
    { headers: { Authorization: 'Bearer junk', 'Tessera-Client-IP': '203.0.113.7' } },
  ],
  'the key, and a client that cannot be read': [naming({ 'Tessera-Client-IP': 'junk' })],
  'the key, and a client without an address': [naming({ 'Tessera-Client-City': 'Austin' })],
  'the key': [OF_THE_KEY],
  'the key, for nobody': [{ ...OF_THE_KEY, json: { group: 'editors' } }],
  'the key, and a mail to nobody': [{ ...OF_THE_KEY, json: { ...SENT, kind: 'reset_password' } }],
  'the key, and a password that is too short': [
    { ...OF_THE_KEY, json: { primary_email: 'new@example.com', password: 'short' } },
  ],
  'the key, and no address of the client': [{ ...OF_THE_KEY, ...NO_ADDRESS }],
  'the key, and an address that is none': [{ ...OF_THE_KEY, ip: 'junk' }],
  'no address of the client': [NO_ADDRESS],
  'junk for a proof': [{ headers: { DPoP: 'junk' } }],
  'too many requests': [{}, { RATE_BY_ADDRESS: FULL, RATE_BY_ACCOUNT: FULL }],
  'another host': [{}, { PUBLIC_URL: 'https://another.example', ISSUE_ACCESS: 'service' }],
  'nobody who may issue': [OF_THE_KEY, { ISSUE_ACCESS: 'off' }],
  'only back ends that may issue': [{}, { ISSUE_ACCESS: 'service' }],
  'nobody who may register': [OF_THE_KEY, { REGISTRATION: 'closed' }],
  'a database that is down': [{}, { DB: down.database }],
  'the key, and a database that is down': [OF_THE_KEY, { DB: down.database }],
  'an empty object': [{ json: {} }],
  'an empty object, by the key': [{ json: {}, ...OF_THE_KEY }],
  text: [{ body: 'x', headers: { ...SERVICE, 'Content-Type': 'text/plain' } }],
  'a form': [{ body: 'token=x', headers: { ...SERVICE, 'Content-Type': 'application/x-www-form-urlencoded' } }],
  lines: [{ body: '{}\n', headers: { ...SERVICE, 'Content-Type': 'application/x-ndjson' } }],
  'too many lines': [{ body: '{}\n'.repeat(501), headers: { ...SERVICE, 'Content-Type': 'application/x-ndjson' } }],
  'a large body': [{ json: { filler: 'x'.repeat(17 * 1024) }, ...OF_THE_KEY }],
  'large lines': [{ body: ' '.repeat(513 * 1024), headers: { ...SERVICE, 'Content-Type': 'application/jsonl' } }],
}

/** What somebody sends who has a pair: in cookies, and in whatever field of a body. */
function presenting({ access_token, refresh_token }: Cookies, more: Asked = {}): Asked {
  return {
    cookies: { access_token, refresh_token },
    json: { ...SENT, token: access_token, refresh: refresh_token },
    ...more,
  }
}

/** Who comes, with a session of its own for each operation, which may end it. */
const CALLERS: Readonly<Record<string, readonly [come: () => Promise<Asked>, overrides?: Overrides]>> = {
  'is signed in': [async () => presenting((await open()).cookies)],
  'is signed in, with a new password that is too short': [
    async () =>
      presenting((await open()).cookies, {
        json: { ...SENT, current_password: PASSWORD, password: 'short', new_password: 'short' },
      }),
  ],
  'is signed in, and named in a way that cannot be read': [
    async () => presenting((await open()).cookies, naming({ 'Tessera-Client-IP': 'junk' })),
  ],
  'has forged a pair': [
    async () => {
      const { access_token, refresh_token } = (await open()).cookies
      return presenting({
        access_token: await forgedCopy(access_token),
        refresh_token: await forgedCopy(refresh_token),
      })
    },
  ],
  'has a refresh token of another pair': [
    async () => {
      const [{ cookies }, other] = [await open(), await open()]
      return presenting({ ...cookies, refresh_token: other.cookies.refresh_token })
    },
  ],
  'has a session that ended': [
    async () => {
      const { cookies, access } = await open()
      await post('/auth/token/revoke', { token: access })
      return presenting(cookies)
    },
  ],
  'is elsewhere': [async () => presenting((await open()).cookies, { ip: ELSEWHERE })],
  'has an account that was closed': [
    async () => {
      const { cookies, guid } = await open()
      await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(guid).run()
      return presenting(cookies, { guid })
    },
  ],
  'is signed in, while the database is down': [async () => presenting((await open()).cookies), { DB: down.database }],
  'has bound the session by DPoP, and proves nothing': [
    async () => {
      const { account } = await open()
      const { prove } = await createProvingClient()
      const DPoP = await prove('POST', `${ORIGIN}/auth/token`, Math.floor(Date.now() / 1000))
      const signIn = { primary_email: account.email, password: PASSWORD }
      const { access, refresh } = await (
        await post('/auth/token', signIn, { headers: { DPoP } })
      ).json<Record<'access' | 'refresh', string>>()
      return presenting({ access_token: access, refresh_token: refresh })
    },
  ],
  'has bound the session to a browser, and proves nothing': [
    async () => {
      const { jar } = await openBound(offering, (await open()).guid)
      return presenting(jar, { cookies: { refresh_token: jar.refresh_token } })
    },
  ],
  'has the key, and gives an account what another one has': [
    async () => {
      const [{ account }, { guid }] = [await open(), await open()]
      return { ...OF_THE_KEY, guid, json: { primary_email: account.email } }
    },
  ],
  'has the key, and gives an account a password that is too short': [
    async () => ({ ...OF_THE_KEY, guid: (await open()).guid, json: { password: 'short' } }),
  ],
  'has the key, and asks for what is no guid': [async () => ({ ...OF_THE_KEY, guid: 'nobody' })],
  'has the key, and asks about a good token while the database is down': [
    async () => ({ ...OF_THE_KEY, json: { token: (await open()).access } }),
    { DB: down.database },
  ],
}

/** The operations that answer text. */
const TEXTUAL = routes.filter(({ operation }) => responseOf(operation, 500)?.content?.['text/plain'] !== undefined)

/** The URL of a ticket, for this client or for anybody. */
async function ticketFor(client: Readonly<Record<string, string>> = {}): Promise<string> {
  const headers = { ...SERVICE, ...client }
  const response = await post('/auth/tickets', { guid: crypto.randomUUID() }, { headers })
  return (await response.json<{ url: string }>()).url.slice(ORIGIN.length)
}

const offering = watch()

describe('every operation answers as the document says', () => {
  const refused = new Set<string>()

  /** Asks every operation, and those again that answer text unless JSON is asked for. */
  async function askAll(by: WatchedWorker, come: () => Promise<Asked> | Asked): Promise<void> {
    const asking = [
      ...routes.map((route) => [route, false] as const),
      ...TEXTUAL.map((route) => [route, true] as const),
    ]
    for (const [{ method, path }, isAgain] of asking) {
      const { guid = crypto.randomUUID(), headers, ...asked } = await come()
      const url = path.replace('{guid}', guid).replace('{id}', '1').replace('{sid}', 'nothing')
      const { body: _body, json: _json, ...bare } = asked
      const accept = isAgain ? { Accept: 'application/json' } : {}
      await by.call(url, { ...(method === 'GET' ? bare : asked), method, headers: { ...headers, ...accept } })
    }
    for (const one of by.refused) refused.add(one)
    expect(by.found).toEqual([])
  }

  test.each(Object.entries(REQUESTS))('to a request with %s', async (_name, [asked, overrides]) => {
    const isBodiless = asked.json === undefined && asked.body === undefined
    for (const body of isBodiless ? [{}, { json: SENT }] : [{}])
      await askAll(watch(overrides), () => ({ ...asked, ...body }))
  })

  test.each(Object.entries(CALLERS))('to whoever %s', async (_name, [come, overrides]) => {
    await askAll(watch(overrides), come)
  })

  test('to whoever has the token of a link, or had it', async () => {
    const [by, closed] = [watch(), watch({ REGISTRATION: 'closed' })]
    const unanswered = watch({ DB: down.database })
    const email = `${crypto.randomUUID()}@example.com`
    await register(email)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    await post('/auth/confirm', { token }, {}, closed)
    await post('/auth/confirm', { token }, {}, unanswered)
    await confirm(token)
    await post('/auth/confirm', { token }, {}, by)
    await forgot(email)
    const reset = { token: await linkTo(email, 'reset_password', 'reset_password'), new_password: OTHER_PASSWORD }
    // The link of one mail is none of another.
    await post('/auth/confirm', { token: reset.token }, {}, by)
    await post('/auth/password/reset', { ...reset, token }, {}, by)
    await post('/auth/password/reset', { ...reset, new_password: 'short' }, {}, by)
    for (const key of [SERVICE, { Authorization: 'Bearer junk' }]) {
      await post('/auth/password/reset', reset, { headers: { ...key, 'Tessera-Client-IP': 'junk' } }, by)
    }
    await post('/auth/password/reset', reset, {}, by)
    await post('/auth/password/reset', reset, {}, by)
    for (const one of [by, closed, unanswered].flatMap((watched) => [...watched.refused])) refused.add(one)

    expect([by.found, closed.found, unanswered.found]).toEqual([[], [], []])
  })

  test('to a browser that registers too late, or while the database is down', async () => {
    const [by, unanswered] = [watch(), watch({ DB: down.database })]
    const client = await createProvingClient()
    const opened = await offering.call(`/${crypto.randomUUID()}`)
    const jar = pairOf(opened)
    await acceptOffer(unanswered, client, opened, jar)
    await post('/auth/token/revoke', { token: jar.access_token })
    await acceptOffer(by, client, opened, jar)
    for (const one of [...by.refused, ...unanswered.refused]) refused.add(one)

    expect([by.found, unanswered.found]).toEqual([[], []])
  })

  test('to whoever has a ticket, or had it', async () => {
    const by = watch()
    const used = await ticketFor()
    for (const url of [used, used, `${used}x`, await ticketFor({ 'Tessera-Client-IP': ELSEWHERE })]) await by.call(url)
    for (const one of by.refused) refused.add(one)

    expect(by.found).toEqual([])
  })

  test('to a browser that comes back again and again', async () => {
    const by = watch()
    let jar: Readonly<Record<string, string>> = (await openByGuid()).cookies
    const statuses: number[] = []
    for (let returns = 0; returns < 3; returns += 1) {
      const response = await by.call('/refresh?to=/inbox', { cookies: jar })
      statuses.push(response.status)
      const set = Object.entries(setCookies(response)).map(([name, { value }]) => [name, value])
      jar = { ...jar, ...Object.fromEntries(set) }
    }
    // It is a page, which names no code.
    refused.add('GET /refresh too_many_requests')

    expect([statuses, by.found]).toEqual([[303, 303, 429], []])
  })

  test('to HEAD, which is refused where the document says so, and nowhere else', async () => {
    for (const { path, operation } of routes.filter(({ method }) => method === 'GET')) {
      const isNamed = codesOf(operation).has('method_not_allowed')
      const url = path.replace('{guid}', crypto.randomUUID())
      const { status, headers } = await worker.call(url, { method: 'HEAD' })
      expect([path, status === 405, headers.has('Allow')]).toEqual([path, isNamed, isNamed])
      if (isNamed) refused.add(`GET ${path} method_not_allowed`)
    }
  })

  test('and is refused for everything that the document names, but for what nobody can bring about', () => {
    const named = routes.flatMap(({ method, path, operation }) =>
      [...codesOf(operation)].filter((code) => code !== 'internal').map((code) => `${method} ${path} ${code}`),
    )
    expect(named.filter((one) => !refused.has(one))).toEqual([])
  })
})
