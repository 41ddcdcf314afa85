/** Mails: what they say, in which language and zone, and what a value in them cannot do. */

import { describe, expect, test } from 'vitest'

import { LANGUAGES } from '../../../src/domain/language.ts'
import { type LinkPurpose, LINKS } from '../../../src/domain/mails/links.ts'
import type { Notice, NoticeFacts, NoticeKind, StoredNotice } from '../../../src/domain/mails/notice.ts'
import type { Client, LocationPolicy } from '../../../src/domain/places/place.ts'
import type { MailContent } from '../../../src/mail/messages/layout.ts'
import { type MailSettings, renderMail } from '../../../src/mail/render.ts'
import { DEFAULT_SETTINGS } from '../../support/fakes.ts'

/** Every kind: a new one is a type error here until it is named, and then its mail is tested below. */
const KINDS = Object.keys({
  location_blocked: true,
  token_reused: true,
  other_key: true,
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

/** Those that most of their readers have to do something about. */
const FILLED: ReadonlySet<NoticeKind> = new Set([
  'location_blocked',
  'confirm_address',
  'address_taken',
  'reset_password',
  'confirm_email',
])

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0'

const CLIENT: Client = {
  address: '198.51.100.23',
  asn: 64_511,
  country: 'NZ',
  city: 'Wellington',
  provider: 'Example Net',
  userAgent: FIREFOX,
}

const USUAL = { address: '203.0.113.7', asn: null, country: 'IS', city: 'Reykjavík', provider: null }

/** The facts of every kind. */
function facts(
  client: Partial<Client> = {},
): NoticeFacts<'location_blocked'> &
  NoticeFacts<'new_sign_in'> &
  NoticeFacts<'password_changed'> &
  NoticeFacts<'email_changed'> {
  const happened = { at: 1_800_000_000, client: { ...CLIENT, ...client }, origin: 'https://auth.example.com' }
  return { ...happened, usual: null, isNewPlace: true, failures: 10, how: 'reset', by: 'owner' }
}

const SETTINGS: MailSettings = { ...DEFAULT_SETTINGS, publicUrl: 'https://auth.example.com' }

type Reader = Partial<Pick<StoredNotice, 'language' | 'timeZone'>>

/** A link that shows what was asked for. */
async function signed(purpose: LinkPurpose, { id, facts: { origin } }: StoredNotice): Promise<string> {
  return `${origin}/${purpose}?token=${id}&x`
}

/** The words of a mail, in any order: in its text, what was before stands behind what is now. */
function wordsOf(form: string): readonly string[] {
  return form
    .split(/[\s:()]+/)
    .filter((word) => !/^$|^https$|^before$|^раньше$/i.test(word))
    .toSorted()
}

/** A mail. */
function render(
  notice: Notice,
  { language = null, timeZone = null }: Reader = {},
  settings: Partial<MailSettings> = {},
): Promise<MailContent> {
  const stored = { ...notice, id: 'mail-1', account: 7, recipient: 'somebody@example.com', language, timeZone }
  return renderMail(stored, { ...SETTINGS, ...settings }, signed)
}

const NOTHING_KNOWN = { asn: null, country: null, city: null, provider: null, userAgent: null }

/** The lines of a text that name a fact: `Name: value`. */
function factLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => /^(When|City|Country|Network|IP address|Device): /.test(line))
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
  test('about a blocked session says whose it is, what happened, where it was and is, and what to do', async () => {
    const { subject, text } = await render({ kind: 'location_blocked', facts: { ...facts(), usual: USUAL } })
    expect(subject).toBe('Tessera: we blocked a session that moved to another place')
    expect(text).toBe(
      [
        'Tessera',
        '',
        'We blocked a session of yours that moved to another place',
        '',
        'Account: somebody@example.com',
        '',
        'The session was used from a place where it had not been before. We blocked it there, and it has ended: it cannot be used any more, from anywhere.',
        '',
        'When: 15 January 2027, 08:00 UTC',
        'City: Wellington (before: Reykjavík)',
        'Country: New Zealand (before: Iceland)',
        'Network: Example Net, AS64511 (before: unknown)',
        'IP address: 198.51.100.23 (before: 203.0.113.7)',
        'Device: Firefox on Windows',
        '',
        'If that was you, sign in again. To let your sessions move there for the next 90 days, allow the IP address 198.51.100.23. On the page behind that button you can allow the former place as well: the IP address 203.0.113.7.',
        '',
        'If that was not you, end all your sessions and choose a new password. That takes back the places that you allowed, too.',
        '',
        'That was me: allow this place:',
        'https://auth.example.com/allow_place?token=mail-1&x',
        '',
        'That was not me: end all my sessions:',
        'https://auth.example.com/end_sessions?token=mail-1&x',
        '',
        'The links work once, for 24 hours. The buttons of this mail lead to auth.example.com.',
        '',
        'You need no link for this: type auth.example.com/account/sessions into your browser, and you are at the page “Sessions and places”. Tessera never asks for your password in a mail.',
        '',
      ].join('\n'),
    )
  })

  test('is in the language and the time zone of its account', async () => {
    const reader = { language: 'ru', timeZone: 'Europe/Moscow' }
    const { subject, text, html } = await render(
      { kind: 'location_blocked', facts: { ...facts(), usual: USUAL } },
      reader,
    )
    expect(subject).toBe('Tessera: мы заблокировали сеанс в другом месте')
    expect(html).toMatch(/^<!doctype html>\s*<html lang="ru">/)
    expect(text).toBe(
      [
        'Tessera',
        '',
        'Мы заблокировали ваш сеанс в другом месте',
        '',
        'Аккаунт: somebody@example.com',
        '',
        'Сеансом воспользовались там, где его раньше не было. Мы его заблокировали и завершили: продолжить его нельзя уже ниоткуда.',
        '',
        'Когда: 15 января 2027 г., 11:00 GMT+3 (Москва, стандартное время)',
        'Город: Wellington (раньше: Reykjavík)',
        'Страна: Новая Зеландия (раньше: Исландия)',
        'Сеть: Example Net, AS64511 (раньше: неизвестно)',
        'IP-адрес: 198.51.100.23 (раньше: 203.0.113.7)',
        'Устройство: Firefox на Windows',
        '',
        'Если это были вы, войдите снова. Чтобы сеансы там не блокировались, разрешите это место на 90 дней — IP-адрес 198.51.100.23. На странице по этой кнопке можно разрешить и прежнее место — IP-адрес 203.0.113.7.',
        '',
        'Если это были не вы, завершите все сеансы и задайте новый пароль. Места, которые вы разрешали раньше, тоже перестанут быть разрешёнными.',
        '',
        'Это я: разрешить это место:',
        'https://auth.example.com/allow_place?token=mail-1&x',
        '',
        'Это не я: завершить все сеансы:',
        'https://auth.example.com/end_sessions?token=mail-1&x',
        '',
        'Ссылки одноразовые и действуют в течение 24 часов. Кнопки в этом письме ведут на auth.example.com.',
        '',
        'Можно обойтись и без ссылок: введите в браузере auth.example.com/account/sessions — это страница «Сеансы и места». Tessera никогда не спрашивает пароль в письмах.',
        '',
      ].join('\n'),
    )
  })

  test.each([
    ['no language and no zone', {}, '15 January 2027, 08:00 UTC'],
    ['a language that has no words', { language: 'xx' }, '15 January 2027, 08:00 UTC'],
    ['an empty one', { language: '', timeZone: '' }, '15 January 2027, 08:00 UTC'],
    ['a zone that there is not', { timeZone: 'Mars/Olympus' }, '15 January 2027, 08:00 UTC'],
    ['a zone of markup', { timeZone: '<b>' }, '15 January 2027, 08:00 UTC'],
    ['New York', { timeZone: 'America/New_York' }, '15 January 2027, 03:00 GMT\u22125 (Eastern Standard Time)'],
    ['Kathmandu', { timeZone: 'Asia/Kathmandu' }, '15 January 2027, 13:45 GMT+5:45 (Nepal Time)'],
  ])('of a row with %s has its time', async (_name, reader, time) => {
    const { text } = await render({ kind: 'token_reused', facts: facts() }, reader)
    expect(factLines(text)[0]).toBe(`When: ${time}`)
  })

  test('about a session that was bound to its device says what that means', async () => {
    const said = 'That session was bound to the device that opened it: whoever used it again has that device'
    const bound = await render({ kind: 'token_reused', facts: { ...facts(), isBound: true } })
    expect([bound.text.includes(said), bound.html.includes(said)]).toEqual([true, true])
    expect((await render({ kind: 'token_reused', facts: facts() })).text).not.toContain('bound')
  })

  test('about a sign-in says where its session is bound to its device', async () => {
    const notice = { kind: 'new_sign_in', facts: { ...facts(), isNewPlace: true, failures: 0 } } as const
    const bound = { ...notice, facts: { ...notice.facts, isBound: true } } as const
    const said = 'The session that it opened is bound to its device'
    expect([(await render(bound)).text.includes(said), (await render(notice)).text.includes(said)]).toEqual([
      true,
      false,
    ])
  })

  test('has one column where only one place is known, and what nobody knows is unknown', async () => {
    const { text, html } = await render({ kind: 'token_reused', facts: facts(NOTHING_KNOWN) })
    expect(factLines(text)).toEqual([
      'When: 15 January 2027, 08:00 UTC',
      'City: unknown',
      'Country: unknown',
      'Network: unknown',
      'IP address: 198.51.100.23',
      'Device: unknown',
    ])
    expect(html).not.toContain('Before')
  })

  test.each([
    [true, 0, 'a sign-in from a new place', ['Nobody signed in to your account from this place in the last 90 days.']],
    [false, 3, 'a sign-in after wrong passwords', ['3 wrong passwords were entered before this sign-in.']],
    [
      true,
      1,
      'a sign-in from a new place',
      [
        'Nobody signed in to your account from this place in the last 90 days.',
        '1 wrong password was entered before this sign-in.',
      ],
    ],
  ])(
    'about a sign-in, from a new place: %s, after %i failures, says so',
    async (isNewPlace, failures, subject, words) => {
      const mail = await render({ kind: 'new_sign_in', facts: { ...facts(), isNewPlace, failures } })
      expect(mail.subject).toBe(`Tessera: ${subject}`)
      for (const sentence of words) expect(mail.text.split('\n')).toContain(sentence)
      expect(mail.text).toContain('If that was you, there is nothing to do.')
    },
  )

  test('about sign-ins that have to wait leads to the page for a new password, without a token', async () => {
    const { text, html } = await render({ kind: 'sign_ins_paused', facts: { ...facts(), failures: 10 } })
    expect(text).toContain('10 wrong passwords were entered for your account in a row')
    expect(text).toContain('Choose a new password:\nhttps://auth.example.com/account/forgot\n')
    expect(`${text}${html}`).not.toContain('token=')
    expect(text).not.toContain('once, for')
  })

  test.each([
    ['password_changed', { how: 'operator' }, 'It was changed by an operator of Tessera.', ['account/forgot']],
    [
      'reset_password',
      { by: 'operator' },
      'An operator of Tessera had this mail sent to you',
      ['reset_password?token=mail-1&x'],
    ],
    ['email_changed', { by: 'operator' }, 'An operator of Tessera took this e-mail address from your account.', []],
    ['account_left', { by: 'operator' }, 'Your account at Tessera and its data were deleted by an operator.', []],
  ] as const)('about what an operator did says so, and not where (%s)', async (kind, by, said, to) => {
    for (const language of LANGUAGES) {
      const { text, html } = await render({ kind, facts: { ...facts(), ...by } }, { language })
      expect(text.includes(said)).toBe(language === 'en')
      expect(factLines(text)).toHaveLength(language === 'en' ? 1 : 0)
      expect(`${text}${html}`).not.toMatch(/Wellington|198\.51\.100\.23|Firefox|Example Net/)
      expect([...text.matchAll(/^https:\/\/auth\.example\.com\/(.*)$/gm)].map(([, path]) => path)).toEqual(to)
    }
  })

  describe.each(KINDS)('%s', (kind) => {
    test.each(LANGUAGES)('says the same in both of its forms, in %s', async (language) => {
      for (const usual of [null, USUAL]) {
        const { text, html } = await render({ kind, facts: { ...facts(), usual } } as Notice, { language })
        expect(html).toMatch(new RegExp(`^<!doctype html>\\s*<html lang="${language}">`))
        const urls = [...text.matchAll(/^https:.*$/gm)].map(([url]) => url)
        expect([...html.matchAll(/href="([^"]*)"/g)].map(([, url]) => url?.replaceAll('&amp;', '&'))).toEqual(urls)
        const headings = kind === 'location_blocked' && usual !== null ? [language === 'en' ? 'Now' : 'Сейчас'] : []
        const ofText = `${text.replaceAll(/^https:.*$/gm, '')} ${headings.join(' ')}`
        expect(wordsOf(visibleText(html))).toEqual(wordsOf(ofText))
      }
    })

    test('says how long its links work, which is equally long for all of them', async () => {
      const purposes: LinkPurpose[] = []
      const reader = { language: null, timeZone: null }
      const stored = { kind, facts: facts(), id: 'mail-1', account: 7, recipient: 'somebody@example.com', ...reader }
      const { text } = await renderMail(stored, SETTINGS, async (purpose) => {
        purposes.push(purpose)
        return 'https://auth.example.com'
      })

      const [seconds, ...others] = new Set(purposes.map((purpose) => LINKS[purpose].lifetimeSeconds))
      expect(others).toEqual([])
      if (seconds !== undefined) expect(text).toMatch(/ once, for \d+ (hours?|days?)\./)
    })

    test('is the same however often it is rendered', async () => {
      expect(await render({ kind, facts: facts() })).toEqual(await render({ kind, facts: facts() }))
    })

    test('names whose it is and about which account, and has one filled button at most', async () => {
      const app = { name: 'Acme & Co', url: undefined, logoUrl: 'https://cdn.example.com/l.png', color: '#8250df' }
      const { subject, text, html } = await render({ kind, facts: facts() }, {}, { app })
      expect(subject).toMatch(/^Acme & Co: /)
      expect(text).toMatch(/^Acme & Co\n/)
      expect(text).toContain('\nAccount: somebody@example.com\n')
      expect(html).toContain('<img src="https://cdn.example.com/l.png" alt="" height="32"')
      expect(html).toContain('Acme &amp; Co</span>')
      expect(html.split('background:#8250df').length - 1).toBe(FILLED.has(kind) ? 1 : 0)
      expect(html).toContain('@media (prefers-color-scheme:dark)')
      expect(`${text}${html}`).not.toContain('Tessera')
    })
  })

  test('leads below BASE_PATH', async () => {
    const { text } = await render({ kind: 'sign_ins_paused', facts: facts() }, {}, { basePath: '/auth-service' })
    expect(text).toContain('https://auth.example.com/auth-service/account/forgot\n')
    expect(text).toContain('type auth.example.com/auth-service/account/forgot into your browser')
  })

  test('leads nowhere where PUBLIC_URL is missing', async () => {
    await expect(render({ kind: 'sign_ins_paused', facts: facts() }, {}, { publicUrl: undefined })).rejects.toThrow(
      'PUBLIC_URL is missing',
    )
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
    ['an IPv6 address', { address: '2001:db8::1' }, 'IP address: 2001:db8::1'],
  ])('names %s', async (_name, client, line) => {
    const { text } = await render({ kind: 'location_blocked', facts: facts(client) })
    expect(factLines(text)).toContain(line)
    expect(factLines(text)).toHaveLength(6)
  })

  const GERMAN = { asn: 64_500, country: 'DE', provider: 'Example ISP' }
  const V6 = '2001:db8:0:1:2::7'
  test.each([
    ['address', {}, 'the IP address 198.51.100.23', 'IP-адрес 198.51.100.23'],
    [
      'address',
      { address: V6 },
      'every IP address that starts with 2001:db8:0:1',
      'все IP-адреса, которые начинаются с 2001:db8:0:1',
    ],
    ['subnet', {}, 'every IP address that starts with 198.51.100', 'все IP-адреса, которые начинаются с 198.51.100'],
    [
      'subnet',
      { address: V6 },
      'every IP address that starts with 2001:db8:0',
      'все IP-адреса, которые начинаются с 2001:db8:0',
    ],
    ['asn', GERMAN, 'the whole network of Example ISP (AS64500)', 'вся сеть провайдера Example ISP (AS64500)'],
    ['asn', { ...GERMAN, provider: null }, 'the whole network AS64500', 'вся сеть AS64500'],
    [
      'asn',
      { ...GERMAN, provider: 'Evil\n\u202eAddress: 192.0.2.1' },
      'the whole network of Evil Address: 192.0.2.1 (AS64500)',
      'вся сеть провайдера Evil Address: 192.0.2.1 (AS64500)',
    ],
    ['asn', NOTHING_KNOWN, 'the IP address 198.51.100.23', 'IP-адрес 198.51.100.23'],
    ['country', GERMAN, 'all of Germany', 'вся страна: Германия'],
    ['country', { country: 'T1' }, 'all of the Tor network', 'вся сеть Tor'],
    ['country', { country: '<b>' }, 'all of what has the country code <b>', 'вся страна: код <b>'],
    ['country', NOTHING_KNOWN, 'the IP address 198.51.100.23', 'IP-адрес 198.51.100.23'],
    ['off', GERMAN, 'the IP address 198.51.100.23', 'IP-адрес 198.51.100.23'],
  ] as const)('says how far a press would allow it under %s, of %j', async (policy, client, english, russian) => {
    const notice = { kind: 'location_blocked', facts: facts(client) } as const
    const settings = { locationPolicy: policy }
    expect((await render(notice, {}, settings)).text).toContain(`for the next 90 days, allow ${english}.\n`)
    expect((await render(notice, { language: 'ru' }, settings)).text).toContain(`место на 90 дней — ${russian}.\n`)
  })

  test.each([
    ['address', ' On the page behind that button you can allow the former place as well: the IP address 203.0.113.7.'],
    ['country', ' On the page behind that button you can allow the former place as well: all of Germany.'],
    // It is the same place as the other.
    ['asn', ''],
  ] as const)('names the former place under %s as what it is: another box', async (policy, words) => {
    const usual = { address: '203.0.113.7', asn: 64_511, country: 'DE', city: null, provider: 'Example Net' }
    const notice = { kind: 'location_blocked', facts: { ...facts(), usual } } as const
    const { text } = await render(notice, {}, { locationPolicy: policy satisfies LocationPolicy })
    expect(/for the next 90 days, allow .*?\w(?:\)|\b)\.(?= On|\n)(.*)$/m.exec(text)?.[1]).toBe(words)
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
      expect(factLines(text)[4]).toBe('IP address: 198.51.100.23')
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
