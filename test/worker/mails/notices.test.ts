/**
 * What a session that ends tells its owner by mail: when, in which words, and with nothing in it that a stranger could make
 * more than a value.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import type { MailContent } from '../../../src/mail/messages/layout.ts'
import { answer, COMMON } from '../../support/answers.ts'
import { setClock, START } from '../../support/clock.ts'
import { decodeToken } from '../../support/forge.ts'
import { answerMailApi, openMailbox, readOutbox, refuseWrites } from '../../support/mailbox.ts'
import { GUID } from '../../support/accounts.ts'
import {
  accountOf,
  ACCEPTED,
  API,
  apiCall,
  blockRefresh,
  copyOf,
  losingQueue,
  mail,
  onlyRow,
  OWNER,
  progress,
  readSessions,
  refuse,
  startWithOwner,
  STRANGER,
} from '../../support/mails.ts'
import { ELSEWHERE, HOME, ORIGIN, pairOf, startWorker } from '../../support/worker.ts'

startWithOwner()

describe('a session that ends because of another place or a used token', () => {
  test('is told to its owner by mail, once, through the mail API', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox(API)
    const { response, id } = await blockRefresh(box)

    expect([response.status, await response.text()]).toEqual([401, "You're location is blocked"])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(calls).toEqual([await apiCall(id)])
    expect(box.bodies).toEqual([{ id, account: await accountOf(id) }])
    expect(await onlyRow()).toEqual({
      id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
      kind: 'location_blocked',
      user_id: expect.any(Number),
      recipient: OWNER,
      language: null,
      time_zone: null,
      credentials_version: 0,
      facts: expect.any(String),
      dedupe_key: expect.stringMatching(/^location_blocked:[\da-f-]{36}$/),
      created_at: START,
      attempts: 1,
      leased_until: START + 60,
      due_at: START + 300,
      sent_at: START,
      failed_at: null,
      last_error: null,
    })
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'location' }])
  })

  test.each([
    ['ru', 'Europe/Moscow', 'Tessera: мы заблокировали сеанс в другом месте', /^Когда: .* 13:30 GMT\+3 \(Москва/m],
    // Neither is one that this version knows, and the mail goes out all the same.
    ['xx', 'Mars/Olympus', 'Tessera: we blocked a session that moved to another place', /^When: .*, 10:30 UTC$/m],
  ])('is told in the language %s and the zone %s of its account', async (language, zone, subject, when) => {
    await env.DB.prepare('UPDATE users SET language = ?, time_zone = ?').bind(language, zone).run()
    const box = openMailbox()
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(box.mails[0]).toMatchObject({ subject })
    expect(textOf(box.mails)).toMatch(when)
  })

  test('is told by whom the operator says that it is', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox({ ...API, APP_NAME: 'Acme, Inc.', MAIL_FROM: 'auth@example.com' })
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(calls[0]?.body).toMatchObject({
      from: '"Acme, Inc." <auth@example.com>',
      subject: 'Acme, Inc.: we blocked a session that moved to another place',
    })
  })

  test('is told to its owner by mail, once, through the send_email binding', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(box.bodies).toEqual([{ id, account: await accountOf(id) }])
    expect(await progress()).toEqual({
      attempts: 1,
      due_at: START + 300,
      sent_at: START,
      failed_at: null,
      last_error: null,
    })
  })

  test.each([
    ['subnet', 'every IP address that starts with 198.51.100', 'every IP address that starts with 203.0.113'],
    ['country', 'all of New Zealand', 'all of Austria'],
  ])('is told how far each place reaches that can be allowed under %s', async (LOCATION_POLICY, blocked, former) => {
    const box = openMailbox({ LOCATION_POLICY })
    const pair = pairOf(await box.call(`/${GUID}`, { cf: { country: 'AT' } }))
    expect((await box.call('/refresh', { ip: '198.51.100.23', cf: { country: 'NZ' }, cookies: pair })).status).toBe(401)
    const { id } = await onlyRow()

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    const words = `for the next 90 days, allow ${blocked}. On the page behind that button you can allow the former place as well: ${former}.`
    const [{ text, html }] = box.mails as [{ text: string; html: string }]
    expect([text, html]).toEqual([expect.stringContaining(words), expect.stringContaining(words)])
  })

  test('is told in other words when a used token was presented again', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    await box.call('/refresh', { cookies: pair })
    setClock(START + 11)
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })
    const { id } = await onlyRow()

    expect([response.status, await response.text()]).toEqual([401, 'Token used before'])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id, { kind: 'token_reused', at: START + 11 })])
    expect(await readSessions()).toEqual([{ revoked_at: START + 11, revoked_reason: 'reuse' }])
  })

  test('lives on when its mail cannot be stored: both happen, or neither', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    const allowWrites = await refuseWrites('INSERT ON notifications')
    const refused = await box.call('/refresh', { ...STRANGER, cookies: pair })
    await allowWrites()

    expect([refused.status, await refused.text()]).toEqual([503, 'Service unavailable'])
    expect(await readSessions()).toEqual([{ revoked_at: null, revoked_reason: null }])
    expect(await readOutbox()).toEqual([])
    expect((await box.call('/refresh', { cookies: pair })).status).toBe(200)
  })

  test('stores and queues one mail, however many strangers come at once', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => box.call('/refresh', { ...STRANGER, cookies: pair })),
    )
    const later = await box.call('/refresh', { ...STRANGER, cookies: pair })
    const { id } = await onlyRow()

    const details = await Promise.all([...responses, later].map((response) => response.text()))
    expect(details.toSorted()).toEqual([...Array(5).fill('Token used before'), "You're location is blocked"])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.bodies).toEqual([{ id, account: await accountOf(id) }])
    expect(box.mails).toEqual([await mail(id)])
  })

  test('is told of reuse when the owner was faster, and the stranger comes with a used token', async () => {
    const queue = losingQueue()
    let batches = 0
    const DB = new Proxy(env.DB, {
      get(database, name) {
        if (name === 'prepare') return (text: string) => database.prepare(text)
        return async (statements: D1PreparedStatement[]) => {
          batches += 1
          // The third one would end the session that the second one found.
          if (batches === 3) await database.prepare("UPDATE sessions SET previous_jti = jti, jti = 'next'").run()
          return database.batch(statements)
        }
      },
    })
    const box = openMailbox({ DB, MAIL_QUEUE: queue })
    const pair = pairOf(await box.call(`/${GUID}`))
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })

    expect([batches, response.status, await response.text()]).toEqual([4, 401, 'Token used before'])
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'reuse' }])
    const stored = await readOutbox()
    expect(stored.map(({ kind }) => kind)).toEqual(['token_reused'])
    expect(queue.taken).toEqual(stored.map(({ id, user_id }) => ({ id, account: user_id })))
  })

  test('leaves no row and no message when the account has no e-mail', async () => {
    await env.DB.prepare('UPDATE users SET primary_email = NULL').run()
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const pair = pairOf(await box.call(`/${GUID}`))
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })

    expect([response.status, await response.text()]).toEqual([401, "You're location is blocked"])
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'location' }])
    expect(await readOutbox()).toEqual([])
    expect(queue.taken).toEqual([])
  })

  test('is told to the address that the account had when it happened', async () => {
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)
    await env.DB.prepare("UPDATE users SET primary_email = 'thief@example.com'").run()
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
  })

  test.each([
    {
      name: 'in cookies',
      present: (cookies: ReturnType<typeof pairOf>) => ['/refresh', { cookies }] as const,
      type: 'text/plain; charset=UTF-8',
      body: "You're location is blocked",
    },
    {
      name: 'in JSON',
      present: ({ refresh_token: refresh }: ReturnType<typeof pairOf>) =>
        ['/auth/token/refresh', { method: 'POST', json: { refresh } }] as const,
      type: 'application/problem+json',
      body: '{"type":"https://auth.localhost/docs/errors#location_blocked","title":"Unauthorized","status":401,"detail":"You\'re location is blocked","code":"location_blocked"}',
    },
  ])('answers as ever when the queue is down: $name', async ({ present, type, body }) => {
    const box = openMailbox({ MAIL_QUEUE: { send: refuse } })
    const [path, options] = present(pairOf(await box.call(`/${GUID}`)))
    const response = await box.call(path, { ...STRANGER, ...options })

    expect(await answer(response)).toEqual({
      status: 401,
      headers: { ...COMMON, 'content-type': type, 'www-authenticate': 'Bearer' },
      body,
    })
    const { id, user_id: userId } = await onlyRow()
    const error = 'Error: Queue send failed (Error: Queue is overloaded)'
    expect(box.logged).toContainEqual({ event: 'mail_not_queued', id, userId, error })
    expect(await progress()).toEqual({
      attempts: 0,
      due_at: START + 300,
      sent_at: null,
      failed_at: null,
      last_error: null,
    })
  })
})

describe('what a stranger chooses', () => {
  test('stays a value: no header, no line of the text, no tag of the HTML', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box, {
      ip: ELSEWHERE,
      cf: {
        city: 'Oslo\r\nBcc: thief@example.com\r\n\r\n<h1>Sign in again</h1>',
        country: '<b>' as Iso3166Alpha2Code,
        asOrganization: 'Evil\u2028Address: 203.0.113.7\u202E& "Sons"\u0000',
      },
      headers: { 'User-Agent': `<a href='https://evil.example'>sign in</a>` },
    })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(calls).toEqual([await apiCall(id)])
    const [{ body } = { body: null }] = calls
    const { subject, text, html } = body as MailContent
    expect(subject).toBe('Tessera: we blocked a session that moved to another place')
    expect(text).toContain('\nCity: Oslo Bcc: thief@example.com <h1>Sign in again</h1> (before: unknown)\n')
    expect(text).toContain('\nCountry: unknown (before: unknown)\n')
    expect(text).toContain('\nNetwork: Evil Address: 203.0.113.7 & "Sons" (before: unknown)\n')
    expect(html).toContain('>Oslo Bcc: thief@example.com &lt;h1&gt;Sign in again&lt;/h1&gt;</td>')
    expect(html).toContain('>Evil Address: 203.0.113.7 &amp; &quot;Sons&quot;</td>')
  })

  test('is of an unknown device nothing at all', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box, {
      ...STRANGER,
      headers: { 'User-Agent': 'Tessera-Mobile/4.2 (sign in at https://evil.example) or call +47 555 01 234' },
    })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(textOf(box.mails)).toContain('\nDevice: unknown\n')
    expect(textOf(box.mails)).not.toContain('evil')
  })

  test.each([
    {
      name: 'of the token, whatever name of this machine is asked',
      publicUrl: '',
      asked: 'http://evil.localhost',
      origin: ORIGIN,
    },
    {
      name: 'of PUBLIC_URL, also for a token of another',
      publicUrl: 'https://login.localhost',
      asked: 'http://evil.localhost',
      origin: 'https://login.localhost',
    },
  ])('is not where the links lead: they lead to the issuer $name', async ({ publicUrl, asked, origin }) => {
    const issuing = startWorker()
    const [moved, reused] = [pairOf(await issuing.call(`/${GUID}`)), pairOf(await issuing.call(`/${GUID}`))]
    await issuing.call('/refresh', { cookies: reused })
    const box = openMailbox({ PUBLIC_URL: publicUrl })
    const evil = { ...STRANGER, origin: asked }
    const json = { refresh: moved.refresh_token }

    expect((await box.call('/auth/token/refresh', { ...evil, method: 'POST', json })).status).toBe(401)
    const { id } = await onlyRow()
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    setClock(START + 11)
    expect((await box.call('/refresh', { ...evil, cookies: reused })).status).toBe(401)
    const [later] = (await readOutbox()).slice(1).map((row) => row.id)
    expect(await box.settled({ id: later }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([
      await mail(id, { origin }),
      await mail(String(later), { origin, kind: 'token_reused', at: START + 11 }),
    ])
  })

  test('is called unknown where nothing is known', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box, { ip: ELSEWHERE, cf: { city: '\r\n', asOrganization: ' ' } })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    for (const name of ['City', 'Country', 'Network', 'Device']) {
      expect(textOf(box.mails)).toMatch(new RegExp(`^${name}: unknown( \\(before: .*)?$`, 'm'))
    }
  })
})

/** The text of the only mail that was sent. */
function textOf(mails: readonly unknown[]): string {
  expect(mails).toHaveLength(1)
  return (mails[0] as MailContent).text
}

describe('secrets', () => {
  test('are in no message, no row and no log, and neither is an address in a log', async () => {
    answerMailApi(
      // As a service that repeats what it was sent, link and all.
      async (call) => {
        const link = /https:[^\s"\\]+/.exec(JSON.stringify(call.body))?.[0] ?? ''
        return new Response(`${API.MAIL_API_KEY} ${OWNER} ${link}`, { status: 500 })
      },
      () => Promise.reject(new TypeError('Network connection lost.')),
      ACCEPTED,
    )
    const box = openMailbox(API)
    const { pair, id } = await blockRefresh(box)
    await box.settled({ id }, 3)
    const row = await onlyRow()

    const message = { id, account: await accountOf(id) }
    expect(box.bodies).toEqual([message, message, message])
    expect(JSON.parse(String(row['facts']))).toEqual({
      at: START,
      client: {
        address: ELSEWHERE,
        asn: 2116,
        country: 'NO',
        city: 'Oslo',
        network: 'Globalconnect',
        userAgent: STRANGER.headers['User-Agent'],
      },
      usual: { address: HOME, asn: null, country: null, city: null, network: null },
      origin: ORIGIN,
    })
    const { jti, sid } = decodeToken(pair.refresh_token).payload
    const links = (await mail(id)).text.match(/(?<=token=)\S+/g) ?? []
    expect(links).toHaveLength(2)
    const written = JSON.stringify([row, box.logged])
    for (const secret of [pair.access_token, pair.refresh_token, String(jti), API.MAIL_API_KEY, ...links]) {
      expect(written).not.toContain(secret)
    }
    expect(JSON.stringify(box.logged)).not.toContain(OWNER)
    const of = { guid: GUID, sid }
    expect(box.logged).toEqual([
      { event: 'signed_in', ...of, reason: 'guid' },
      { event: 'session_blocked', ...of },
      { event: 'session_ended', ...of, reason: 'location' },
      { event: 'refused', code: 'location_blocked', status: 401, cause: 'moved', ...of, route: '/refresh' },
      {
        event: 'mail_postponed',
        id,
        guid: GUID,
        error: 'MailError: HTTP 500: [withheld] [withheld] [link]',
        delaySeconds: 1,
      },
      { event: 'mail_postponed', id, guid: GUID, error: 'TypeError: Network connection lost.', delaySeconds: 2 },
    ])
  })

  test('are in no log when one cannot be used: the Worker says which key, and takes no message', async () => {
    const box = openMailbox({ ...API, MAIL_API_KEY: 're_Zk3v9\u2026QmW2xT7' })
    const response = await box.call(`/${GUID}`)
    const reason = 'Configuration: MAIL_API_KEY must be printable ASCII without spaces'

    expect([response.status, await response.text()]).toEqual([500, ''])
    expect(box.logged).toEqual([reason])
    await expect(box.queue(copyOf('mail-1', 1))).rejects.toThrow(reason)
  })
})
