/** Mails: what they say, what a value in them cannot do, and what the answer of a mail service means for the next try. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { describeDevice } from '../../../src/domain/mails/device.ts'
import type { NoticeFacts, NoticeKind } from '../../../src/domain/mails/notice.ts'
import type { LocationPolicy } from '../../../src/domain/places/place.ts'
import { retryDelaySeconds } from '../../../src/mail/delivery.ts'
import { type MailContent, renderMail } from '../../../src/mail/message.ts'
import { apiTransport, cloudflareTransport, type Mail, MailError, type Transport } from '../../../src/mail/transport.ts'

const KINDS = ['location_blocked', 'token_reused'] as const satisfies readonly NoticeKind[]

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'

const CLIENT: NoticeFacts['client'] = {
  address: '198.51.100.23',
  asn: 64_511,
  country: 'NZ',
  city: 'Wellington',
  provider: 'Example Net',
  userAgent: FIREFOX,
}

function facts(client: Partial<NoticeFacts['client']> = {}): NoticeFacts {
  return { at: 1_800_000_000, client: { ...CLIENT, ...client }, usual: null, origin: 'https://auth.example.com' }
}

/** A mail, with links that show what was asked for. */
function render(
  notice: { readonly kind: NoticeKind; readonly facts: NoticeFacts },
  policy: LocationPolicy = 'address',
): Promise<MailContent> {
  const stored = { ...notice, id: 'mail-1', recipient: 'somebody@example.com' }
  return renderMail(stored, policy, async (purpose, { id, facts: { origin } }) => `${origin}/${purpose}?token=${id}&x`)
}

const NOTHING_KNOWN = { asn: null, country: null, city: null, provider: null, userAgent: null }

/** The lines of a text that name a fact: `Name: value`. */
function factLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => /^(When|City|Country|Network|Address|Device): /.test(line))
}

/** What a mail program shows of a page: no tags, no entities, one blank between words. */
function visibleText(html: string): string {
  const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return html
    .replace(/^[\s\S]*<body[^>]*>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(\w+|#39);/g, (_all, name: string) => entities[name] ?? '?')
    .replace(/\s+/g, ' ')
    .trim()
}

describe('a message', () => {
  test('about a blocked place says when, where from, and what to do', async () => {
    const { subject, text } = await render({ kind: 'location_blocked', facts: facts() })
    expect(subject).toBe('We blocked a sign-in from another place')
    expect(text).toBe(
      [
        'Somebody used your session from another place',
        '',
        'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
        '',
        'When: 2027-01-15 08:00 UTC',
        'City: Wellington',
        'Country: New Zealand',
        'Network: Example Net, AS64511',
        'Address: 198.51.100.23',
        'Device: Firefox on Windows',
        '',
        'If this was you, sign in again. The second link below lets you allow the address 198.51.100.23, for 90 days. If it was not you, end all your sessions and change your password: the first link also takes back the places that you allowed. The links work once, for 24 hours.',
        '',
        'End all my sessions:',
        'https://auth.example.com/end_sessions?token=mail-1&x',
        '',
        'That was me, allow this place:',
        'https://auth.example.com/allow_place?token=mail-1&x',
        '',
      ].join('\n'),
    )
  })

  test('about a token that was used twice says so, and that nothing else is affected', async () => {
    const { subject, text } = await render({ kind: 'token_reused', facts: facts(NOTHING_KNOWN) })
    expect(subject).toBe('We ended a session that was used twice')
    expect(text).toBe(
      [
        'A session of yours was used twice',
        '',
        'A key of your session that had been replaced already was presented again. That happens when somebody has a copy of it. That session has ended; your other sessions are not affected.',
        '',
        'When: 2027-01-15 08:00 UTC',
        'City: unknown',
        'Country: unknown',
        'Network: unknown',
        'Address: 198.51.100.23',
        'Device: unknown',
        '',
        'Sign in again. If you do not recognize the device above, end all your sessions and change your password. The link works once, for 24 hours.',
        '',
        'End all my sessions:',
        'https://auth.example.com/end_sessions?token=mail-1&x',
        '',
      ].join('\n'),
    )
  })

  test.each(KINDS)('%s says the same in both of its forms', async (kind) => {
    const { text, html } = await render({ kind, facts: facts() })
    expect(html).toMatch(/^<!doctype html>\s*<html lang="en">/)
    const urls = [...text.matchAll(/^https:.*$/gm)].map(([url]) => url)
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, url]) => url?.replaceAll('&amp;', '&'))).toEqual(urls)
    const words = text.replaceAll(/:\nhttps:.*$/gm, '').replaceAll(/^(\w+): /gm, '$1 ')
    expect(visibleText(html)).toBe(words.replaceAll(/\s+/g, ' ').trim())
  })

  test.each(KINDS)('%s is the same however often it is rendered', async (kind) => {
    expect(await render({ kind, facts: facts() })).toEqual(await render({ kind, facts: facts() }))
  })

  test.each([
    ['AS and name', { asn: 64_511, provider: 'Example Net' }, 'Network: Example Net, AS64511'],
    ['the AS alone', { asn: 64_511, provider: null }, 'Network: AS64511'],
    ['the name alone', { asn: null, provider: 'Example Net' }, 'Network: Example Net'],
    ['a blank name', { asn: null, provider: ' ' }, 'Network: unknown'],
    ['the country of a code', { country: 'IS' }, 'Country: Iceland'],
    ['a code of no country', { country: 'XX' }, 'Country: XX'],
    ['Tor, which Cloudflare has as a country', { country: 'T1' }, 'Country: unknown'],
    ['a code in lower case', { country: 'is' }, 'Country: unknown'],
    ['a code that is markup', { country: '<b>' }, 'Country: unknown'],
    ['a city beyond ASCII', { city: 'Reykjavík' }, 'City: Reykjavík'],
    ['a blank city', { city: ' \t ' }, 'City: unknown'],
    ['an empty user agent', { userAgent: '' }, 'Device: unknown'],
    ['an IPv6 address', { address: '2001:db8::1' }, 'Address: 2001:db8::1'],
  ])('names %s', async (_name, client, line) => {
    const { text } = await render({ kind: 'location_blocked', facts: facts(client) })
    expect(factLines(text)).toContain(line)
    expect(factLines(text)).toHaveLength(6)
  })

  const GERMAN = { asn: 64_500, country: 'DE', provider: 'Example ISP' }
  const V6 = '2001:db8:0:1:2::7'
  test.each([
    ['address', {}, 'the address 198.51.100.23'],
    ['address', { address: V6 }, 'every address that starts with 2001:db8:0:1'],
    ['subnet', {}, 'every address that starts with 198.51.100'],
    ['subnet', { address: V6 }, 'every address that starts with 2001:db8:0'],
    ['asn', GERMAN, 'the whole network of Example ISP (AS64500)'],
    ['asn', { ...GERMAN, provider: null }, 'the whole network AS64500'],
    [
      'asn',
      { ...GERMAN, provider: 'Evil\n\u202eAddress: 192.0.2.1' },
      'the whole network of Evil Address: 192.0.2.1 (AS64500)',
    ],
    ['asn', NOTHING_KNOWN, 'the address 198.51.100.23'],
    ['country', GERMAN, 'all of Germany'],
    ['country', { country: 'T1' }, 'all of the Tor network'],
    ['country', { country: '<b>' }, 'all of what has the country code <b>'],
    ['country', NOTHING_KNOWN, 'the address 198.51.100.23'],
    ['off', GERMAN, 'the address 198.51.100.23'],
  ] as const)('says how far a press would allow it under %s, of %j', async (policy, client, words) => {
    const { text } = await render({ kind: 'location_blocked', facts: facts(client) }, policy)
    expect(text).toContain(`lets you allow ${words}, for 90 days`)
  })

  test.each([
    ['address', ' (and, if you tick it there, the address 203.0.113.7)'],
    ['country', ' (and, if you tick it there, all of Germany)'],
    // It is the same place as the other.
    ['asn', ''],
  ] as const)('names the former place under %s as what it is: another box', async (policy, words) => {
    const former = { address: '203.0.113.7', asn: 64_511, country: 'DE', city: null, provider: 'Example Net' }
    const { text } = await render({ kind: 'location_blocked', facts: { ...facts(), usual: former } }, policy)
    expect(/lets you allow (?:[^(,]*[^(, ])?(?: \(AS\d+\))?(.*?), for 90 days/.exec(text)?.[1]).toBe(words)
  })

  test('names the minute in UTC', async () => {
    const { text } = await render({ kind: 'token_reused', facts: { ...facts(), at: 59 } })
    expect(factLines(text)[0]).toBe('When: 1970-01-01 00:00 UTC')
  })
})

describe('a value in a message', () => {
  const FIELDS = ['city', 'provider'] as const
  const MARKUP = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;{{x}}`

  test.each(FIELDS)('cannot be markup, as %s', async (field) => {
    const { html } = await render({ kind: 'location_blocked', facts: facts({ [field]: MARKUP }) })
    const plain = await render({ kind: 'location_blocked', facts: facts({ [field]: 'x' }) })
    expect(html).not.toMatch(/<script|<img/)
    expect(html).toContain(
      '&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;{{x}}',
    )
    // Not one tag more, and none less.
    expect(html.match(/<[^>]*>/g)).toEqual(plain.html.match(/<[^>]*>/g))
    expect(visibleText(html)).toContain(MARKUP)
  })

  test.each([MARKUP, 'call 555 0100\nAddress: 203.0.113.7', 'https://evil.example/', '\u202eevil.example'])(
    'is not shown at all, when it is the user agent %j',
    async (userAgent) => {
      const hostile = await render({ kind: 'location_blocked', facts: facts({ userAgent }) })
      expect(hostile).toEqual(await render({ kind: 'location_blocked', facts: facts({ userAgent: null }) }))
    },
  )

  const CODES = [
    ['a line feed', '\n'],
    ['a carriage return', '\r'],
    ['both', '\r\n'],
    ['a vertical tab', '\v'],
    ['a form feed', '\f'],
    ['a next line', '\u0085'],
    ['a line separator', '\u2028'],
    ['a paragraph separator', '\u2029'],
    ['a zero', '\0'],
    ['an escape', '\u001b'],
    ['a delete', '\u007f'],
    ['a right-to-left override', '\u202e'],
    ['a left-to-right embedding', '\u202a'],
    ['a right-to-left isolate', '\u2067'],
    ['a right-to-left mark', '\u200f'],
    ['a zero width space', '\u200b'],
    ['a byte order mark', '\ufeff'],
    ['a soft hyphen', '\u00ad'],
    ['a tag letter', '\u{e0041}'],
  ] as const

  test.each(CODES)('cannot write a line of its own, nor turn one around, with %s', async (_name, code) => {
    const value = `A${code}${code}Address: 203.0.113.7`
    for (const field of FIELDS) {
      const { subject, text, html } = await render({
        kind: 'location_blocked',
        facts: facts({ [field]: value }),
      })
      expect(factLines(text)).toHaveLength(6)
      expect(factLines(text)[4]).toBe('Address: 198.51.100.23')
      expect(text).toContain('A Address: 203.0.113.7')
      const rest = code === '\n' ? '' : code
      if (rest !== '') expect(`${subject}${text}${html}`).not.toContain(rest)
    }
  })

  test.each(KINDS)('is in no subject (%s)', async (kind) => {
    const { subject: fixed } = await render({ kind, facts: facts(NOTHING_KNOWN) })
    const hostile = { city: 'x\r\nBcc: a@example.com', provider: 'x\r\nBcc: a@example.com', userAgent: 'x\r\nBcc: a' }
    const { subject } = await render({ kind, facts: facts(hostile) })
    expect(subject).toBe(fixed)
    expect(subject).toMatch(/^[ -~]+$/)
  })
})

describe('a device', () => {
  const safari = 'AppleWebKit/605.1.15 (KHTML, like Gecko)'
  const chrome = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0'

  test.each([
    [FIREFOX, 'Firefox on Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0', 'Firefox on Android'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} FxiOS/145.0 Mobile Safari/605.1.15`,
      'Firefox on iPhone',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36`, 'Chrome on Windows'],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${chrome} Safari/537.36`, 'Chrome on macOS'],
    [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${chrome} Safari/537.36`, 'Chrome on ChromeOS'],
    [`Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36`, 'Chrome on Android'],
    [
      `Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) ${safari} CriOS/142.0 Mobile/15E148 Safari/604.1`,
      'Chrome on iPad',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 Edg/142.0`, 'Edge on Windows'],
    [`Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36 EdgA/142.0`, 'Edge on Android'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} Version/18.0 EdgiOS/142.0 Safari/604.1`,
      'Edge on iPhone',
    ],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 OPR/125.0`, 'Opera on Windows'],
    [
      `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 SamsungBrowser/29.0 Chrome/136.0 Safari/537.36`,
      'Samsung Internet on Android',
    ],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${safari} Version/18.6 Safari/605.1.15`, 'Safari on macOS'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${safari} Version/18.6 Mobile/15E148 Safari/604.1`,
      'Safari on iPhone',
    ],
    ['curl/8.9.1', 'curl'],
    ['Mozilla/5.0 (Haiku) Gecko/20100101 Firefox/145.0', 'Firefox'],
    ['Wget/1.24.5', 'Wget'],
    ['okhttp/4.12.0', 'Android app'],
    ['Example/7 CFNetwork/1568.100.1 Darwin/24.0.0', 'Apple app'],
    ['Dart/3.5 (dart:io)', 'Flutter app'],
    ['python-requests/2.32.3', 'Python'],
    ['Go-http-client/2.0', 'Go'],
    ['axios/1.7.9', 'axios'],
    ['PostmanRuntime/7.43.0', 'Postman'],
    // Of whatever is not known, nothing: its sender wrote it.
    ['MyApp/1.0 (Android 15)', null],
    ['Your-account-is-locked', null],
    ['Call-0900-555-0100/1.0', null],
    ['not curl/8', null],
    ['call 555 0100', null],
    ['https://evil.example/', null],
    ['evil.example/1', null],
    ['<b>/1', null],
    ['x'.repeat(31), null],
    ['', null],
    [null, null],
  ])('of %j is %j', (userAgent, device) => {
    expect(describeDevice(userAgent)).toBe(device)
  })
})

test('of a device, nothing is shown but words that stand in a list', () => {
  const words =
    /^(?:(?:Edge|Opera|Samsung Internet|Firefox|Chrome|Safari|curl|Wget|Android app|Apple app|Flutter app|Python|Go|axios|Postman)(?: on (?:iPhone|iPad|Android|Windows|macOS|ChromeOS|Linux))?)?$/
  const known = ['Firefox/1', 'Chrome/', 'Version/1 Safari/', 'Windows', 'Mac OS X', 'Android', 'curl/', 'CFNetwork/']
  const part = fc.oneof(fc.constantFrom(...known), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      expect(describeDevice(parts.join(' ')) ?? '').toMatch(words)
    }),
  )
})

describe('the next try', () => {
  test.each([
    [1, 0, 1],
    [2, 0, 2],
    [3, 0, 4],
    [10, 0, 512],
    [12, 0, 2048],
    // at most an hour, left to us
    [13, 0, 3600],
    [100, 0, 3600],
    [5000, 0, 3600],
    // at least what the service asked for
    [1, 30, 30],
    [6, 30, 32],
    [6, 32, 32],
    [6, 33, 33],
    [13, 3601, 3601],
    // at most the twelve hours for which a queue keeps a message back
    [1, 43_200, 43_200],
    [1, 999_999, 43_200],
  ])('after attempt %i, when %i s were asked for, comes in %i s', (attempts, atLeast, delay) => {
    expect(retryDelaySeconds(attempts, atLeast)).toBe(delay)
  })

  test('needs no wish of the service', () => {
    expect(retryDelaySeconds(4)).toBe(8)
  })
})

const MAIL: Mail = {
  to: 'somebody@example.com',
  subject: 'Subject',
  text: 'Text\n',
  html: '<p>Text</p>',
  idempotencyKey: '0b8f1a5e-3c9d-4f0e-9d3c-1f2e3d4c5b6a',
}

/** What a transport threw; `null` when it took the mail. */
async function failure(transport: Transport): Promise<unknown> {
  return transport(MAIL).then(
    () => null,
    (error: unknown) => error,
  )
}

function mailError(error: unknown) {
  if (!(error instanceof MailError)) throw new Error('not a MailError', { cause: error })
  const { name, message, permanent, retryAfterSeconds } = error
  return { name, message, permanent, retryAfterSeconds }
}

describe('a mail API', () => {
  interface Received {
    readonly method: string | undefined
    readonly path: string | undefined
    readonly headers: IncomingMessage['headers']
    readonly body: unknown
  }

  const received: Received[] = []
  let answer: (response: ServerResponse) => void
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url: path, headers } = request
      received.push({ method, path, headers, body: JSON.parse(Buffer.concat(chunks).toString() || 'null') })
      answer(response)
    })
  })
  let url = ''

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/emails`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    received.length = 0
  })

  function api(key: string | undefined = 're_key'): Transport {
    return apiTransport({ url, key, from: 'Tessera <tessera@example.com>' })
  }

  function answerWith(status: number, headers: Record<string, string> = {}, body = '{"message":"no"}'): void {
    answer = (response) => response.writeHead(status, headers).end(body)
  }

  test('is given the whole mail, its key, and an idempotency key', async () => {
    answerWith(200, {}, '{"id":"1"}')
    await expect(api()(MAIL)).resolves.toBeUndefined()
    expect(received).toHaveLength(1)
    const [{ method, path, headers, body } = { method: '', path: '', headers: {}, body: null }] = received
    expect([method, path]).toEqual(['POST', '/emails'])
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': MAIL.idempotencyKey,
      authorization: 'Bearer re_key',
    })
    const { to, subject, text, html } = MAIL
    expect(body).toEqual({ from: 'Tessera <tessera@example.com>', to, subject, text, html })
  })

  test('without a key is asked without one', async () => {
    answerWith(202)
    await expect(apiTransport({ url, key: undefined, from: 'a@example.com' })(MAIL)).resolves.toBeUndefined()
    expect(received[0]?.headers.authorization).toBeUndefined()
  })

  test.each([
    [400, true],
    [401, true],
    [403, true],
    [404, true],
    [408, false],
    [409, false],
    [410, true],
    [413, true],
    [422, true],
    [424, true],
    [425, false],
    [429, false],
    [499, true],
    [500, false],
    [502, false],
    [503, false],
    [599, false],
  ])('that answers %i: permanent %s', async (status, permanent) => {
    answerWith(status)
    expect(mailError(await failure(api()))).toEqual({
      name: 'MailError',
      message: `HTTP ${status}: {"message":"no"}`,
      permanent,
      retryAfterSeconds: 0,
    })
    expect(received).toHaveLength(1)
  })

  test.each([
    ['120', 120],
    ['0', 0],
    ['999999', 999_999],
    ['1000000', 0],
    ['Fri, 15 Jan 2027 08:00:00 GMT', 0],
    ['-1', 0],
    ['1.5', 0],
    ['soon', 0],
  ])('that asks to be left alone for %j', async (value, retryAfterSeconds) => {
    for (const status of [429, 503]) {
      answerWith(status, { 'Retry-After': value })
      expect(mailError(await failure(api()))).toEqual({
        name: 'MailError',
        message: `HTTP ${status}: {"message":"no"}`,
        permanent: false,
        retryAfterSeconds,
      })
    }
  })

  test.each([301, 302, 303, 307, 308])('that answers %i is not followed: the key is for it alone', async (status) => {
    answerWith(status, { Location: '/elsewhere' })
    expect(mailError(await failure(api()))).toMatchObject({
      message: `HTTP ${status}: {"message":"no"}`,
      permanent: true,
    })
    expect(received.map(({ path }) => path)).toEqual(['/emails'])
  })

  test.each([
    [200, null],
    [500, { name: 'MailError', message: 'HTTP 500: no sender', permanent: false, retryAfterSeconds: 0 }],
  ])('whose answer of %i never ends has answered', async (status, expected) => {
    let closed: Promise<unknown> = Promise.resolve()
    answer = (response) => {
      closed = new Promise((resolve) => response.on('close', resolve))
      response.writeHead(status).write('no sender somebo')
    }
    const error = await failure(api())
    expect(error === null ? null : mailError(error)).toEqual(expected)
    // And it is not listened to any longer.
    await closed
  })

  test('that floods its answer is heard for 2 KiB', async () => {
    let closed: Promise<unknown> = Promise.resolve()
    answer = (response) => {
      closed = new Promise((resolve) => response.on('close', resolve))
      const flood = () => void response.write('no '.repeat(1000), () => !response.closed && setImmediate(flood))
      response.writeHead(500)
      flood()
    }
    const start = performance.now()
    expect(mailError(await failure(api())).message).toBe(`HTTP 500: ${'no '.repeat(67).slice(0, 200)}`)
    // Well before the two seconds that a slow answer is given.
    expect(performance.now() - start).toBeLessThan(1000)
    await closed
  })

  test('whose answer breaks off is quoted as far as it came', async () => {
    answer = (response) => {
      response.writeHead(422, { 'Content-Length': '100' }).write('the sender is not kn', () => {
        setTimeout(() => response.destroy(), 50)
      })
    }
    expect(mailError(await failure(api()))).toMatchObject({ message: 'HTTP 422: the sender is not', permanent: true })
  })

  test.each([
    ['its key', 'API key re_key is not valid', 'API key [withheld] is not valid'],
    ['the recipient', 'no mail to somebody@example.com, sorry', 'no mail to [withheld], sorry'],
    ['another spelling of the recipient', '<SOMEBODY@Example.com> SOMEBODY%40example.com', '<[address]> [address]'],
    ['any other address', 'from a.b+c@example.org (x)', 'from [address] (x)'],
    ['a link', '{"href":"https://auth.example.com/links/end?token=abc"}', '{"href":"[link]"}'],
    ['a link as JSON may have it', '"https:\\/\\/auth.example.com\\/links?token=abc"', '"[link]"'],
    ['a token', `token eyJhbGciOiJIUzI1NiJ9.${'x'.repeat(80)}.${'y'.repeat(43)}`, 'token [token]'],
    [
      'line breaks and control characters',
      'a\r\nSet-Cookie: x\u0000\u001b[31m\u202e\u2028b\n',
      'a Set-Cookie: x [31m b',
    ],
    ['its first 200 characters', 'word '.repeat(100), 'word '.repeat(40)],
    ['characters and no halves of them', '\u{1f36a}'.repeat(300), '\u{1f36a}'.repeat(200)],
    ['the name of an error', 'E_SENDER_DOMAIN_NOT_AVAILABLE', 'E_SENDER_DOMAIN_NOT_AVAILABLE'],
  ])('is quoted on one line, without what is secret: %s', async (_name, words, quoted) => {
    answerWith(422, {}, words)
    expect(mailError(await failure(api())).message).toBe(`HTTP 422: ${quoted}`)
  })

  test.each(['', ' \r\n\u0000'])('that gives no reason is quoted by its status: %j', async (words) => {
    answerWith(422, {}, words)
    expect(mailError(await failure(api())).message).toBe('HTTP 422')
  })

  test('that hangs up is worth another try', async () => {
    answer = (response) => response.destroy()
    const error = await failure(api())
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toBe('TypeError: fetch failed')
  })

  test('that is not there is worth another try', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as AddressInfo
    await new Promise((resolve) => gone.close(resolve))
    const error = await failure(
      apiTransport({ url: `http://127.0.0.1:${port}/`, key: 're_key', from: 'a@example.com' }),
    )
    expect(String(error)).toBe('TypeError: fetch failed')
  })

  test('that does not answer within ten seconds is worth another try', async () => {
    answer = () => {}
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    // A second is five milliseconds long here.
    const clock = vi.spyOn(AbortSignal, 'timeout').mockImplementation((delay) => timeout(delay / 200))
    try {
      const error = await failure(api())
      expect(error).toBeInstanceOf(DOMException)
      expect((error as DOMException).name).toBe('TimeoutError')
      expect(clock.mock.calls).toEqual([[10_000]])
    } finally {
      clock.mockRestore()
    }
  })
})

function binding(send: (mail: unknown) => Promise<unknown>): SendEmail {
  return { send } as SendEmail
}

describe('the send_email binding', () => {
  test('is given the whole mail', async () => {
    const sent: unknown[] = []
    const transport = cloudflareTransport(
      binding(async (mail) => sent.push(mail)),
      'tessera@example.com',
    )
    await expect(transport(MAIL)).resolves.toBeUndefined()
    const { to, subject, text, html } = MAIL
    expect(sent).toEqual([{ from: 'tessera@example.com', to, subject, text, html }])
  })

  test('that does not answer within ten seconds is worth another try', async () => {
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    const clock = vi.spyOn(AbortSignal, 'timeout').mockImplementation((delay) => timeout(delay / 200))
    try {
      const transport = cloudflareTransport(
        binding(() => new Promise(() => {})),
        'tessera@example.com',
      )
      expect(mailError(await failure(transport))).toEqual({
        name: 'MailError',
        message: 'no answer in time',
        permanent: false,
        retryAfterSeconds: 0,
      })
      expect(clock.mock.calls).toEqual([[10_000]])
    } finally {
      clock.mockRestore()
    }
  })

  test.each([
    ['E_VALIDATION_ERROR', true],
    ['E_FIELD_MISSING', true],
    ['E_TOO_MANY_RECIPIENTS', true],
    ['E_SENDER_NOT_VERIFIED', true],
    ['E_SENDER_DOMAIN_NOT_AVAILABLE', true],
    ['E_RECIPIENT_NOT_ALLOWED', true],
    ['E_RECIPIENT_SUPPRESSED', true],
    ['E_CONTENT_TOO_LARGE', true],
    ['E_HEADER_NOT_ALLOWED', true],
    ['E_RATE_LIMIT_EXCEEDED', false],
    ['E_DAILY_LIMIT_EXCEEDED', false],
    ['E_DELIVERY_FAILED', false],
    ['E_INTERNAL_SERVER_ERROR', false],
    ['E_SOMETHING_NEW', false],
  ])('that fails with %s: permanent %s', async (code, permanent) => {
    const error = Object.assign(new Error('somebody@example.com was refused'), { code })
    const transport = cloudflareTransport(
      binding(() => Promise.reject(error)),
      'tessera@example.com',
    )
    expect(mailError(await failure(transport))).toEqual({
      name: 'MailError',
      message: `${code}: [withheld] was refused`,
      permanent,
      retryAfterSeconds: 0,
    })
  })

  test.each([
    ['no code', new Error('somebody@example.com was refused'), 'send_email failed: [withheld] was refused'],
    [
      'a code that is no text',
      Object.assign(new Error('nobody@example.com'), { code: 550 }),
      'send_email failed: [address]',
    ],
    ['no error at all', 'somebody@example.com', 'send_email failed'],
    ['more than 2,048 characters', new Error(`${' '.repeat(2048)}never read`), 'send_email failed'],
  ])('that fails with %s is worth another try', async (_name, error, message) => {
    const transport = cloudflareTransport(
      binding(async () => {
        throw error
      }),
      'tessera@example.com',
    )
    expect(mailError(await failure(transport))).toEqual({
      name: 'MailError',
      message,
      permanent: false,
      retryAfterSeconds: 0,
    })
  })
})
