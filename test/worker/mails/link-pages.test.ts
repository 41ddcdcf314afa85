/**
 * The links of a mail about a blocked refresh, and the page that each opens. Whoever merely opens one changes nothing, and
 * no other token and no other page can stand in.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { LINKS, signLink } from '../../../src/domain/mails/links.ts'
import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken, encodePart, forge, strangerKeys, testKeys } from '../../support/forge.ts'
import {
  askPage,
  block,
  brokenPage,
  type DetailRow,
  DONE_PAGES,
  FAR,
  FIREFOX,
  linksOf,
  noticeOf,
  page,
  post,
  press,
  type Purpose,
  PURPOSES,
  read,
  refreshFrom,
  show,
  signIn,
  textOfMail,
  tokens,
  USED_PAGE,
} from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { openMailbox, readOutbox, waitUntil } from '../../support/mailbox.ts'
import { type CallOptions, ELSEWHERE, HOME, ORIGIN, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('a mail', () => {
  test('about a blocked refresh carries both links, in text and HTML, and no other mail of its kind the same', async () => {
    const mailbox = openMailbox()
    const account = await createAccount(env.DB)
    const links = await block(account, {}, mailbox)
    await waitUntil(() => mailbox.mails.length === 1)
    const mail = mailbox.mails[0] as { text: string; html: string }

    expect(linksOf(mail.text)).toEqual(links)
    for (const purpose of PURPOSES) {
      expect(mail.html).toContain(`href="${ORIGIN}${LINKS[purpose].path}?token=${links[purpose]}"`)
      expect(decodeToken(links[purpose])).toEqual({
        header: { alg: 'HS256', typ: 'JWT', kid: testKeys.link.signing.kid },
        payload: {
          token_type: 'link',
          purpose,
          nid: (await readOutbox())[0]?.['id'],
          account: account.id,
          iat: T0,
          exp: T0 + DAY_SECONDS,
        },
      })
    }
    expect(await block(account)).not.toEqual(links)
  })

  test('about reuse carries the link that ends all sessions, and not the other', async () => {
    const account = await createAccount(env.DB)
    const first = await signIn(account)
    const { next } = await refreshFrom(first)
    at(11)
    await refreshFrom(first)
    const links = linksOf(await textOfMail(first))

    expect(links).toEqual({ end_sessions: expect.stringMatching(/./) as string, allow_place: '' })
    const other = await signIn(account)
    expect(await read(await press('end_sessions', links.end_sessions))).toEqual(DONE_PAGES.end_sessions)
    expect((await refreshFrom(other)).status).toBe(401)
    expect((await refreshFrom(next)).status).toBe(401)
  })

  test("about a pair that came out of somebody's Worker offers no place, since anybody can run one", async () => {
    const account = await createAccount(env.DB)
    const session = await signIn(account)
    const shared = { ip: '2a06:98c0:3600::103' }
    expect((await refreshFrom(session, shared)).status).toBe(401)
    const text = await textOfMail(session)
    const links = linksOf(text)

    expect(links).toEqual({ end_sessions: expect.stringMatching(/./) as string, allow_place: '' })
    expect(text).toContain('The place cannot be allowed')
    const [row] = await readOutbox()
    if (row === undefined) throw new Error('no mail')
    const services = { tokens, settings: { publicUrl: undefined, basePath: '' } }
    const made = (await signLink(services, 'allow_place', noticeOf(row))).split('token=')[1] ?? ''
    for (const answer of [await show('allow_place', made), await press('allow_place', made, { former: true })]) {
      expect(await read(answer)).toEqual(brokenPage(401))
    }
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
    expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
  })

  test('links to PUBLIC_URL', async () => {
    const session = await signIn(await createAccount(env.DB))
    await refreshFrom(session, { ip: ELSEWHERE })
    const text = await textOfMail(session, 'https://login.example.org')

    expect(text.match(/https:\/\/[\w.]+\/links\/[\w-]+/g)).toEqual([
      'https://login.example.org/links/allow-place',
      'https://login.example.org/links/end-sessions',
    ])
  })
})

describe.each(PURPOSES)('the page of %s', (purpose) => {
  const details = {
    When: ['15 January 2027, 08:00 UTC'],
    City: ['Nelson', 'unknown'],
    Country: ['New Zealand', 'Iceland'],
    Network: ['Far Net, AS64511', 'AS64496'],
    'IP address': [ELSEWHERE, HOME],
    Device: ['Firefox on Linux'],
  } as const satisfies Readonly<Record<string, DetailRow>>

  test('says what happened and what its button does, under a policy that lets nothing else in', async () => {
    const links = await block(await createAccount(env.DB), { headers: { 'User-Agent': FIREFOX } })

    expect(await read(await show(purpose, links[purpose]))).toEqual(askPage(purpose, links, details))
  })

  test('opens from a mail program, which is another site, and asks for no address', async () => {
    const links = await block(await createAccount(env.DB), { headers: { 'User-Agent': FIREFOX } })
    const options = { ip: null, headers: { 'Sec-Fetch-Site': 'cross-site', 'Sec-Purpose': 'prefetch' } }

    expect(await read(await show(purpose, links[purpose], options))).toEqual(askPage(purpose, links, details))
  })

  test('calls unknown what nobody knows', async () => {
    const links = await block(await createAccount(env.DB), { cf: {} })

    expect(await read(await show(purpose, links[purpose]))).toEqual(
      askPage(purpose, links, {
        ...details,
        City: ['unknown', 'unknown'],
        Country: ['unknown', 'Iceland'],
        Network: ['unknown', 'AS64496'],
        Device: ['unknown'],
      }),
    )
  })

  test('escapes what a stranger chose', async () => {
    const links = await block(await createAccount(env.DB), {
      cf: {
        ...FAR,
        city: '"><script>alert(1)</script>',
        asOrganization: "</dd></dl><img src=x onerror='alert(1)'>\r\nAddress: 192.0.2.1\u202e",
        country: '<b>' as 'T1',
      },
      headers: { 'User-Agent': 'Go/1 <svg onload=alert(1)> https://evil.example' },
    })

    expect(await read(await show(purpose, links[purpose]))).toEqual(
      askPage(purpose, links, {
        ...details,
        City: ['&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;', 'unknown'],
        Country: ['unknown', 'Iceland'],
        Network: [
          '&lt;/dd&gt;&lt;/dl&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt; Address: 192.0.2.1, AS64511',
          'AS64496',
        ],
        Device: ['unknown'],
      }),
    )
  })

  test('has a nonce of its own each time', async () => {
    const links = await block(await createAccount(env.DB))
    const pages = await Promise.all(Array.from({ length: 5 }, () => show(purpose, links[purpose]).then(read)))

    expect(new Set(pages.map(({ nonce }) => nonce)).size).toBe(5)
  })

  test('changes nothing, however often it is opened', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await signIn(account)
    const before = await dumpTables(env.DB)

    for (const method of ['HEAD', 'GET', 'GET', 'GET', 'HEAD']) {
      const response = await show(purpose, links[purpose], { method })
      const { status, body } = await read(response)
      expect({ method, status, isEmpty: body === '' }).toEqual({ method, status: 200, isEmpty: method === 'HEAD' })
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refreshFrom(session)).status).toBe(200)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })
})

describe.each(PURPOSES)('when the button of %s was pressed', (purpose) => {
  test('its page says so by an address of its own, which can be loaded again', async () => {
    const links = await block(await createAccount(env.DB))
    const answer = await post(purpose, links[purpose])

    expect([answer.status, answer.headers.get('Location')]).toEqual([303, `?token=${links[purpose]}&done=1`])
    const before = await dumpTables(env.DB)
    for (let times = 0; times < 2; times += 1) {
      const done = await show(purpose, `${links[purpose]}&done=1`)
      expect(await read(done)).toEqual(DONE_PAGES[purpose])
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('nobody is told so who does not have the link', async () => {
    const links = await block(await createAccount(env.DB))
    const other = purpose === 'end_sessions' ? links.allow_place : links.end_sessions
    const [head, payload] = links[purpose].split('.')

    for (const [token, status] of [
      ['', 400],
      [`${head}.${payload}.AAAA`, 401],
      [other, 401],
    ] as const) {
      expect(await read(await show(purpose, `${token}&done=1`))).toEqual(brokenPage(status))
    }
  })
})

describe('the pages of links', () => {
  const russian = { headers: { 'Accept-Language': 'de, ru-RU;q=0.9, en;q=0.5' } }

  test('are in the language that the browser asks for, and in the time zone of the account', async () => {
    const account = await createAccount(env.DB)
    await env.DB.prepare("UPDATE users SET time_zone = 'Europe/Moscow' WHERE id = ?").bind(account.id).run()
    const links = await block(account)
    const { headers, body } = await read(await show('allow_place', links.allow_place, russian))

    expect(headers).toMatchObject({ vary: 'Accept-Language' })
    expect(body).toMatch(/^<!doctype html><html lang="ru">.*<h1>Это были вы\?<\/h1>/)
    expect(body).toContain('<td colspan="2">15 января 2027 г., 11:00 GMT+3 (Москва, стандартное время)</td>')
    expect(body).toContain('<td>Исландия</td><td>Новая Зеландия</td>')
    const done = await show('allow_place', `${links.allow_place}&done=1`, russian)
    expect((await read(done)).body).toContain('<h1>Место разрешено</h1>')
    const broken = await read(await show('end_sessions', 'garbage', russian))
    expect(broken).toMatchObject({ status: 400, headers: { vary: 'Accept-Language' } })
    expect(broken.body).toContain('она старше 24 часов')
  })

  test('say whose they are, and lead on to where its people go', async () => {
    const by = startWorker({
      APP_NAME: 'Acme & Co',
      APP_URL: 'https://app.example.com/inbox',
      APP_LOGO_URL: 'https://cdn.example.com/logo.png?v=2',
      APP_COLOR: '#8250df',
    })
    const links = await block(await createAccount(env.DB))
    const answer = await show('end_sessions', `${links.end_sessions}&done=1`, {}, by)
    const body = await answer.text()

    expect(body).toContain('<title>All your sessions have ended · Acme &amp; Co</title>')
    const logo = '<img src="https://cdn.example.com/logo.png?v=2" alt=""/>'
    expect(body).toContain(
      `<header><a href="https://app.example.com/inbox">${logo}<span>Acme &amp; Co</span></a></header>`,
    )
    expect(body).toContain('<a class="button" href="https://app.example.com/inbox">Go on to Acme &amp; Co</a>')
    expect(body).toContain('--action:#8250df')
    expect(answer.headers.get('Content-Security-Policy')).toContain(
      "; img-src https://cdn.example.com; form-action 'self';",
    )
  })
})

/** Tries a token on both methods of a page, and sees that nothing is written. */
async function tryOut(purpose: Purpose, token: string) {
  const before = await dumpTables(env.DB)
  const got = [await read(await show(purpose, token)), await read(await press(purpose, token))]
  expect(await dumpTables(env.DB)).toEqual(before)
  return got
}

describe('a link that is none', () => {
  test.each(PURPOSES)('gets a page at %s, and never a 500', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const { access_token: access, refresh_token: refreshToken } = await signIn(account)
    const token = links[purpose]
    const { header, payload } = decodeToken(token)
    const { signing } = testKeys.link
    const previous = [...testKeys.refresh.verifying.values()].at(-1)?.key ?? signing
    const cases: Readonly<Record<string, readonly [string, number]>> = {
      'for the other purpose': [links[purpose === 'end_sessions' ? 'allow_place' : 'end_sessions'], 401],
      'of another deployment': [
        await forge({ ...header, kid: strangerKeys.link.signing.kid }, payload, strangerKeys.link.signing),
        401,
      ],
      'under the name of our key': [await forge(header, payload, strangerKeys.link.signing), 401],
      'signed with the refresh key': [await forge(header, payload, testKeys.refresh.signing), 401],
      'signed with the refresh key, and saying so': [
        await forge({ ...header, kid: testKeys.refresh.signing.kid }, payload, testKeys.refresh.signing),
        401,
      ],
      'signed with an old refresh key': [await forge(header, payload, previous), 401],
      unsigned: [`${encodePart({ ...header, alg: 'none' })}.${encodePart(payload)}.`, 401],
      'altered in its last character': [`${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`, 401],
      'an access token': [access, 401],
      'a refresh token': [refreshToken, 401],
      'a good signature over another purpose': [await forge(header, { ...payload, purpose: 'admin' }, signing), 401],
      'a good signature over a purpose that is none': [await forge(header, { ...payload, purpose: 1 }, signing), 400],
      'a good signature over no mail': [await forge(header, { ...payload, nid: undefined }, signing), 400],
      'a good signature over an account that is none': [
        await forge(header, { ...payload, account: 'x' }, signing),
        400,
      ],
      'a good signature over an access token': [
        await forge(header, { ...payload, token_type: 'access' }, signing),
        401,
      ],
      'a good signature over no expiry': [await forge(header, { ...payload, exp: undefined }, signing), 400],
      'from the future': [await forge(header, { ...payload, iat: T0 + 61 }, signing), 401],
      garbage: ['garbage', 400],
      'a script': ['%22%3E%3Cscript%3Ealert(1)%3C/script%3E', 400],
      'cut short': [token.slice(0, 40), 400],
      empty: ['', 400],
      'too long': ['x'.repeat(5000), 400],
    }

    for (const [name, [text, status]] of Object.entries(cases)) {
      const expected = { name, ...brokenPage(status) }
      for (const got of await tryOut(purpose, text)) expect({ name, ...got }).toEqual(expected)
    }
    expect(await read(await press(purpose, token))).toEqual(DONE_PAGES[purpose])
  })

  test.each(PURPOSES)('%s of a mail that is gone does nothing', async (purpose) => {
    const links = await block(await createAccount(env.DB))
    await env.DB.prepare('DELETE FROM notifications').run()

    for (const got of await tryOut(purpose, links[purpose])) expect(got).toEqual(USED_PAGE)
  })

  test.each(PURPOSES)('%s in the name of another account does nothing', async (purpose) => {
    const [account, other] = [await createAccount(env.DB), await createAccount(env.DB)]
    const { header, payload } = decodeToken((await block(account))[purpose])
    const token = await forge(header, { ...payload, account: other.id }, testKeys.link.signing)

    expect(await tryOut(purpose, token)).toEqual([USED_PAGE, USED_PAGE])
  })

  test.each(PURPOSES)('%s is over after 24 hours, to the second', async (purpose) => {
    const account = await createAccount(env.DB)
    const [one, two] = [await block(account), await block(account)]
    at(DAY_SECONDS - 1)
    expect(await read(await press(purpose, one[purpose]))).toEqual(DONE_PAGES[purpose])
    at(DAY_SECONDS)

    for (const got of await tryOut(purpose, two[purpose])) expect(got).toEqual(brokenPage(401))
  })

  test.each<[string, CallOptions, number]>([
    ['no body', {}, 415],
    ['an empty form', { body: '', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }, 400],
    ['another field', { body: 'code=x', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }, 400],
    ['JSON', { json: { token: 'x' } }, 415],
    [
      'more than 16 KiB',
      { body: `token=${'x'.repeat(16_384)}`, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
      413,
    ],
  ])('posted as %s gets a page', async (_name, options, status) => {
    for (const purpose of PURPOSES) {
      const response = await worker.call(LINKS[purpose].path, { ...options, method: 'POST' })
      expect(await read(response)).toEqual(brokenPage(status))
    }
  })

  test('without a token at all gets a page', async () => {
    for (const purpose of PURPOSES) {
      expect(await read(await worker.call(LINKS[purpose].path))).toEqual(brokenPage(400))
    }
  })

  test('and a link is no token of a session', async () => {
    const { end_sessions: token } = await block(await createAccount(env.DB))
    const headers = { Authorization: `Bearer ${token}` }
    const json = { token, refresh: token }
    const statuses = {
      me: (await worker.call('/auth/me', { headers })).status,
      refresh: (await worker.call('/auth/token/refresh', { method: 'POST', json })).status,
      verify: (await worker.call('/auth/token/verify', { method: 'POST', json })).status,
    }

    expect(statuses).toEqual({ me: 401, refresh: 401, verify: 401 })
  })
})

function refuse(): Promise<never> {
  return Promise.reject(new Error('D1_ERROR: Network connection lost'))
}

describe('when D1 is down', () => {
  const statement = new Proxy(env.DB.prepare('SELECT 1'), {
    get: (_target, name) => (name === 'bind' ? () => statement : refuse),
  })
  const down = startWorker({
    DB: new Proxy(env.DB, { get: (_target, name) => (name === 'prepare' ? () => statement : refuse) }),
  })
  const trouble = page(
    'This did not work just now',
    '<p>The trouble is on our side. It may have been done all the same: please try again in a minute.</p>' +
      '<div class="buttons"><a class="button" href="">Try again</a></div>',
    503,
  )
  const expected = { ...trouble, headers: { ...trouble.headers, 'retry-after': '1' } }

  test.each(PURPOSES)('the page of %s says to try again, and the link stays good', async (purpose) => {
    const links = await block(await createAccount(env.DB))

    expect(await read(await show(purpose, links[purpose], {}, down))).toEqual(expected)
    expect(await read(await press(purpose, links[purpose], {}, down))).toEqual(expected)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })

  test('a link that is none is told so all the same', async () => {
    expect(await read(await show('end_sessions', 'garbage', {}, down))).toEqual(brokenPage(400))
  })
})
