/** What `npm run users` shows to people: aligned, in the time of their machine, and harmless whatever strangers wrote into it. */

import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { PastSession, User } from '../../../scripts/users/answers.ts'
import { factsOf } from '../../../scripts/users/audit.ts'
import { describeUser, deviceOf, placeOf, stateOf } from '../../../scripts/users/describe.ts'
import { describeMail } from '../../../scripts/users/mails.ts'
import { paintFor, plain } from '../../../scripts/users/paint.ts'
import { cut, jsonLine, pad, printable, widthOf } from '../../../scripts/users/printable.ts'
import { table } from '../../../scripts/users/table.ts'
import { dayOf, minuteOf, readTime } from '../../../scripts/users/time.ts'
import { eventLine, storyOf } from '../../../scripts/users/why.ts'

const zone = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'Europe/Berlin'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const AT = 1_764_345_600 // 2025-11-28 16:00 UTC

const USER: User = {
  guid: '3b0e7a5e-0000-4000-8000-000000000001',
  user_id: 7,
  email: 'ada@example.com',
  group: 'staff',
  active: true,
  confirmed: true,
  has_password: true,
  external_id: null,
  claims: { plan: 'pro' },
  language: null,
  time_zone: null,
  created_at: AT,
  updated_at: AT,
  left_at: null,
}

describe('text of strangers', () => {
  test('reaches a terminal without any sequence that it would obey', () => {
    expect(printable('a\u001b[31mb\u009b2Jc\r\nd\u202ee\u2066f\u2028g')).toBe('a�[31mb�2Jc��d�e�f�g')
    expect(jsonLine({ a: '\u001b\u009b\u202e' })).toBe('{"a":"\\u001b\\u009b\\u202e"}')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // oxlint-disable-next-line no-control-regex -- these are what may not be there
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
        expect(jsonLine(text)).not.toMatch(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\n]/)
        expect(JSON.parse(jsonLine(text))).toBe(text)
      }),
    )
  })

  test('takes as many columns as a terminal gives it', () => {
    expect(['abc', 'é', 'e\u0301', '漢字', '💚'].map(widthOf)).toEqual([3, 1, 1, 4, 2])
    expect([cut('abcdef', 4), cut('abcd', 4), cut('漢字漢字', 5), pad('漢', 4)]).toEqual([
      'abc…',
      'abcd',
      '漢字…',
      '漢  ',
    ])
  })
})

describe('a table', () => {
  const columns = [{ title: 'ACCOUNT', shrinks: true }, { title: 'STATE' }]
  const rows = [
    [`${'x'.repeat(30)}@example.com`, 'active'],
    ['b@example.com', 'disabled'],
  ]

  test('is cut to a terminal, and whole in a pipe', () => {
    expect(table(columns, rows, { width: 24, paint: plain }).split('\n')).toEqual([
      'ACCOUNT         STATE',
      'xxxxxxxxxxxxx…  active',
      'b@example.com   disabled',
    ])
    expect(table(columns, rows, { width: undefined, paint: plain })).toContain(`${'x'.repeat(30)}@example.com  active`)
  })

  test('never is wider than the terminal, while a column can shrink', () => {
    const cells = fc.array(fc.tuple(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 })), { maxLength: 5 })
    fc.assert(
      fc.property(cells, fc.integer({ min: 20, max: 120 }), (some, width) => {
        const both = columns.map((column) => ({ ...column, shrinks: true }))
        const lines = table(both, some, { width, paint: plain }).split('\n')
        expect(lines).toHaveLength(some.length + 1)
        expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width)
      }),
    )
  })

  test('of any length is no trouble', () => {
    expect(
      table(
        columns,
        Array.from({ length: 200_000 }, () => ['a', 'b']),
        { width: 80, paint: plain },
      ).length,
    ).toBeGreaterThan(200_000)
  })
})

describe('colours', () => {
  test('are for a terminal, unless NO_COLOR is set', () => {
    const [terminal, pipe] = [{ isTTY: true }, { isTTY: false }] as NodeJS.WriteStream[]
    if (terminal === undefined || pipe === undefined) throw new Error('no streams')
    expect(paintFor(terminal, {})('red', 'a')).toBe('\u001b[31ma\u001b[39m')
    expect([paintFor(pipe, {})('red', 'a'), paintFor(terminal, { NO_COLOR: '1' })('red', 'a')]).toEqual(['a', 'a'])
  })
})

describe('times', () => {
  test('are those of this machine', () => {
    expect([minuteOf(AT), dayOf(AT + 8 * 3600)]).toEqual(['2025-11-28 17:00', '2025-11-29'])
  })

  test('can be written as a date, with a time, with a zone, or as so long ago', () => {
    const texts = [
      '2025-11-28',
      '2025-11-28T17:00',
      '2025-11-28 17:00',
      '2025-11-28T16:00:00Z',
      '2025-11-28T17:00+01:00',
      '90m',
      '12h',
      '7d',
      '2w',
      String(AT),
    ]
    const [midnight] = [AT - 17 * 3600]
    expect(texts.map((text) => readTime(text, AT))).toEqual([
      midnight,
      AT,
      AT,
      AT,
      AT,
      AT - 5400,
      AT - 43_200,
      AT - 604_800,
      AT - 1_209_600,
      AT,
    ])
    for (const text of ['yesterday', '2025-13-01', '28.11.2025', '7', '1y'])
      expect(() => readTime(text, AT)).toThrow(`${text} is no time`)
  })
})

describe('an account', () => {
  test('has one state', () => {
    const states = [{}, { has_password: false }, { confirmed: false }, { active: false }, { left_at: AT }]
    expect(states.map((state) => stateOf({ ...USER, ...state }))).toEqual([
      'active',
      'no password',
      'unconfirmed',
      'disabled',
      'deleted',
    ])
  })

  test('is shown line by line', () => {
    expect(describeUser(USER, plain).split('\n').slice(0, 9)).toEqual([
      'ada@example.com',
      '  state        active',
      '  confirmed    yes',
      '  password     yes',
      '  group        staff',
      '  guid         3b0e7a5e-0000-4000-8000-000000000001',
      '  user id      7',
      '  external id  –',
      '  claims       {"plan":"pro"}',
    ])
  })

  test('was in a place, with a device', () => {
    expect([
      placeOf({ city: 'Berlin', country: 'DE', network: 'Telekom' }),
      placeOf({ city: null, country: 'DE' }),
      placeOf({ city: null, country: null, network: 'Telekom' }),
    ]).toEqual(['Berlin, DE (Telekom)', 'DE', 'Telekom'])
    expect(
      ['Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko Firefox/1', 'okhttp/4', 'x'.repeat(60), null].map(deviceOf),
    ).toEqual(['Firefox on Linux', 'an app for Android', `${'x'.repeat(39)}…`, 'no user agent'])
  })
})

describe('an act of the ledger', () => {
  test('says what became what', () => {
    expect(factsOf({ fields: ['group', 'claims'], from: { group: 'user' }, to: { group: 'staff' } })).toBe(
      'group user → staff, claims',
    )
    expect(factsOf({ group: 'user', active: true })).toBe('group user, active true')
  })
})

describe('a mail', () => {
  const mail = {
    id: 'm1',
    kind: 'reset_password',
    guid: null,
    recipient: 'a@example.com',
    state: 'parked',
    created_at: AT,
    attempts: 3,
    due_at: null,
    sent_at: null,
    failed_at: AT + 60,
    last_error: '550 \u001b[2Jno',
  }

  test('says to whom it is, and what became of it', () => {
    expect(describeMail(mail, plain)).toBe(
      'reset_password to a@example.com\n  written 2025-11-28 17:00, given up 2025-11-28 17:01 after 3 tries: 550 �[2Jno\n  id m1',
    )
    expect(describeMail({ ...mail, failed_at: null, last_error: null, attempts: 1 }, plain)).toContain(
      '17:00, 1 try so far\n',
    )
    expect(describeMail({ ...mail, sent_at: AT }, plain)).toContain('17:00, sent 2025-11-28 17:00\n')
  })
})

describe('the story of a session', () => {
  const session: PastSession = {
    sid: 's1',
    opened_at: AT,
    refreshed_until: AT + 3600,
    expires_at: AT + 864_000,
    ended_at: AT + 7200,
    ended_by: 'session_ended',
    ended: 'location',
    state: 'ended',
    country: 'DE',
    city: 'Berlin',
    network: 'Telekom',
    user_agent: 'curl/8',
    mails: [{ kind: 'location_blocked', at: AT + 7200, sent_at: AT + 7200, failed_at: null }],
  }

  test('says where it began, until when it was refreshed, why it ended and what its owner was told', () => {
    expect(storyOf(session, plain).split('\n')).toEqual([
      '2025-11-28 17:00  signed in from Berlin, DE (Telekom), curl',
      '                  refreshed until 2025-11-28 18:00',
      '                  ended 2025-11-28 19:00: a refresh came from another place (location)',
      '                  mail location_blocked of 2025-11-28: sent 2025-11-28 19:00',
      '                  session s1',
    ])
  })

  test('stands beside what happened to the account', () => {
    const lines = [
      { type: 'account_changed', reason: null, at: AT, fields: ['group', 'claims'] },
      { type: 'password_changed', reason: 'reset', at: AT },
      { type: 'of_a_newer_server', reason: 'new', at: AT },
    ]
    expect(lines.map((event) => eventLine(event, plain))).toEqual([
      '2025-11-28 17:00  account_changed: group, claims',
      '2025-11-28 17:00  password_changed, reset: by the link of a mail: all sessions ended',
      '2025-11-28 17:00  of_a_newer_server, new',
    ])
  })

  test('has nothing that a terminal would obey, whatever a client called itself', () => {
    const strange = {
      ...session,
      city: '\u001b[2JBerlin',
      user_agent: '\u001b]0;owned\u0007\r\n2025-11-28 17:00  signed in',
    }
    // oxlint-disable-next-line no-control-regex -- these are what may not be there
    expect(storyOf(strange, plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
    expect(storyOf(strange, plain).split('\n')).toHaveLength(5)
  })

  test('of one that lives, and of one that nobody refreshed', () => {
    expect(storyOf({ ...session, state: 'live', ended_at: null, ended: null, mails: [] }, plain)).toContain(
      '\n                  lives\n',
    )
    expect(storyOf({ ...session, state: 'expired', ended_at: null, ended: null, mails: [] }, plain)).toContain(
      'expired 2025-12-08 17:00: nobody refreshed it',
    )
  })
})
