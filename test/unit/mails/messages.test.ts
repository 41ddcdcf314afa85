/** Mails: what they say, and what a value in them cannot do. */

import { describe, expect, test } from 'vitest'

import { describeLifetime, type LinkPurpose } from '../../../src/domain/mails/links.ts'
import type { Notice, NoticeFacts, NoticeKind } from '../../../src/domain/mails/notice.ts'
import type { Client, LocationPolicy } from '../../../src/domain/places/place.ts'
import type { MailContent } from '../../../src/mail/messages/layout.ts'
import { renderMail } from '../../../src/mail/render.ts'

/** Every kind: a new one is a type error here until it is named, and then its mail is tested below. */
const KINDS = Object.keys({
  location_blocked: true,
  token_reused: true,
  sign_ins_paused: true,
  new_sign_in: true,
  confirm_address: true,
  address_taken: true,
  reset_password: true,
  password_changed: true,
  confirm_email: true,
  email_changed: true,
  account_left: true,
} satisfies Record<NoticeKind, true>) as readonly NoticeKind[]

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'

const CLIENT: Client = {
  address: '198.51.100.23',
  asn: 64_511,
  country: 'NZ',
  city: 'Wellington',
  provider: 'Example Net',
  userAgent: FIREFOX,
}

/** The facts of every kind. */
function facts(
  client: Partial<Client> = {},
): NoticeFacts<'location_blocked'> & NoticeFacts<'new_sign_in'> & NoticeFacts<'password_changed'> {
  const happened = { at: 1_800_000_000, client: { ...CLIENT, ...client }, origin: 'https://auth.example.com' }
  return { ...happened, usual: null, isNewPlace: true, failures: 10, how: 'reset' }
}

/** A mail, with links that show what was asked for. */
function render(notice: Notice, policy: LocationPolicy = 'address'): Promise<MailContent> {
  const stored = { ...notice, id: 'mail-1', account: 7, recipient: 'somebody@example.com' }
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

describe('a mail', () => {
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

  test.each([
    [
      true,
      0,
      'A sign-in from a new place',
      'It came from a place that you have not signed in from for 90 days, or ever.',
    ],
    [false, 3, 'A sign-in after others had failed', '3 tries failed before it.'],
    [
      true,
      1,
      'A sign-in from a new place',
      'It came from a place that you have not signed in from for 90 days, or ever. One try failed before it.',
    ],
  ])(
    'about a sign-in, from a new place: %s, after %i failures, says so',
    async (isNewPlace, failures, subject, words) => {
      const mail = await render({ kind: 'new_sign_in', facts: { ...facts(), isNewPlace, failures } })
      expect(mail.subject).toBe(subject)
      expect(mail.text.split('\n')[2]).toBe(words)
    },
  )

  test('about sign-ins that have to wait says how many failed', async () => {
    const { text } = await render({ kind: 'sign_ins_paused', facts: { ...facts(), failures: 10 } })
    expect(text.split('\n')[0]).toBe('10 sign-ins to your account failed in a row')
  })

  test.each(KINDS)('%s says the same in both of its forms', async (kind) => {
    const { text, html } = await render({ kind, facts: facts() })
    expect(html).toMatch(/^<!doctype html>\s*<html lang="en">/)
    const urls = [...text.matchAll(/^https:.*$/gm)].map(([url]) => url)
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, url]) => url?.replaceAll('&amp;', '&'))).toEqual(urls)
    const words = text.replaceAll(/:\nhttps:.*$/gm, '').replaceAll(/^(\w+): /gm, '$1 ')
    expect(visibleText(html)).toBe(words.replaceAll(/\s+/g, ' ').trim())
  })

  test.each(KINDS)('%s says how long its links work, which is equally long for all of them', async (kind) => {
    const purposes: LinkPurpose[] = []
    const stored = { kind, facts: facts(), id: 'mail-1', account: 7, recipient: 'somebody@example.com' }
    const { text } = await renderMail(stored, 'address', async (purpose) => {
      purposes.push(purpose)
      return 'https://auth.example.com'
    })

    const [lifetime, ...others] = new Set(purposes.map(describeLifetime))
    expect(others).toEqual([])
    if (lifetime === undefined) expect(text).not.toContain('link')
    else expect(text).toContain(`once, for ${lifetime}.`)
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

describe('a value in a mail', () => {
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
