/** What becomes of a row of another system: the account that `npm run users -- import` sends, or why there is none. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { readForeignHash } from '../../../src/domain/accounts/foreign-hash.ts'
import { firebaseHash, readFirebaseParameters } from '../../../scripts/users-import/firebase.ts'
import type { Row } from '../../../scripts/users-import/input.ts'
import {
  createMapping,
  lookUp,
  override,
  readFixed,
  readPair,
  type TargetName,
  TARGETS,
} from '../../../scripts/users-import/mapping.ts'
import { parseJson } from '../../../scripts/users-import/parse-json.ts'
import { OWN_NAMES, PRESETS, presetOf, type Preset } from '../../../scripts/users-import/presets.ts'

const NOW = 1_764_000_000

function map(
  row: Row,
  { preset = OWN_NAMES, maps = [], sets = [] }: { preset?: Preset; maps?: string[]; sets?: string[] } = {},
) {
  const mapping = createMapping(override(preset.pairs, maps.map(readPair)), sets.map(readFixed), NOW)
  return mapping(preset.prepare === undefined ? row : preset.prepare(row, { firebase: null }))
}

function user(row: Row, how: Parameters<typeof map>[1] = {}) {
  const mapped = map(row, how)
  if (!('user' in mapped) || 'errors' in mapped) throw new Error(JSON.stringify(mapped))
  return mapped.user
}

/** What each name of docs/import.md brings along, in a column or field of that name. */
const EXAMPLES = {
  primary_email: ['a@example.com', { primary_email: 'a@example.com' }],
  password_hash: ['$2b$10$x', { password_hash: '$2b$10$x' }],
  guid: ['3B0E7A5E-0000-4000-8000-000000000001', { guid: '3b0e7a5e-0000-4000-8000-000000000001' }],
  external_id: ['7', { external_id: '7' }],
  group: ['staff', { group: 'staff' }],
  claims: ['{"plan":"pro"}', { claims: { plan: 'pro' } }],
  active: ['false', { active: false }],
  disabled: ['true', { active: false }],
  confirmed: ['', { confirmed: false }],
  language: ['ru', { language: 'ru' }],
  time_zone: ['Europe/Berlin', { time_zone: 'Europe/Berlin' }],
  created_at: ['2023-11-14', { created_at: 1_699_920_000 }],
  deleted: ['2023-11-14', { leftOut: true }],
} as const satisfies Record<TargetName, readonly [string, object]>

describe('a file of your own', () => {
  test.each(Object.entries(EXAMPLES))('has %s in a column of that name', (name, [value, account]) => {
    expect(map({ [name]: value })).toEqual('leftOut' in account ? account : { user: account })
  })

  test('says in several columns that somebody is out: one is enough, whatever the others say and wherever they stand', () => {
    const closing: readonly Row[] = [
      { active: 'false', is_active: 'true' },
      { active: 'true', is_active: 'false' },
      { active: 'true', disabled: 'true' },
      { active: '', disabled: 'true', is_active: 'true' },
    ]
    expect(closing.map((row) => user(row))).toEqual(closing.map(() => ({ active: false })))
    expect(user({ active: 'true', disabled: 'false', is_active: '1' })).toEqual({ active: true })
    const maps = ['deleted=deleted', 'gone=deleted']
    expect(map({ deleted: 'true', gone: 'false' }, { maps })).toEqual({ leftOut: true })
    expect(map({ deleted: 'false', gone: 'true' }, { maps })).toEqual({ leftOut: true })
  })
})

describe('a field', () => {
  test.each([
    ['true', true],
    ['t', true],
    ['1', true],
    [1, true],
    ['YES', true],
    [false, false],
    ['f', false],
    ['0', false],
    ['off', false],
  ])('of truth: %j', (value, active) => {
    expect(user({ active: value })).toEqual({ active })
  })

  test.each([
    ['1700000000', 1_700_000_000],
    [1_700_000_000_000, 1_700_000_000],
    ['2023-11-14T22:13:20.000Z', 1_700_000_000],
    ['2023-11-14 22:13:20.123456+00', 1_700_000_000],
    ['2023-11-15 03:43:20+05:30', 1_700_000_000],
    ['2023-11-15 00:13:20+02', 1_700_000_000],
    ['2023-11-14 17:43:20-0430', 1_700_000_000],
    ['2023-11-14 22:13:20', 1_700_000_000],
    ['2023-11-14 22:13:20 UTC', 1_700_000_000],
    ['2023-11-15', 1_700_006_400],
    [{ $date: '2023-11-14T22:13:20.000Z' }, 1_700_000_000],
  ])('of time: %j', (value, created_at) => {
    expect(user({ created_at: value })).toEqual({ created_at })
  })

  test('that cannot be read is named, and its value is not', () => {
    expect(
      map({ email: 'a@example.com', active: 'perhaps', created_at: 'yesterday', claims: '[1]', group: {} }),
    ).toEqual({
      user: { primary_email: 'a@example.com' },
      errors: {
        active: ['is neither true nor false, nor a time'],
        created_at: ['is no time'],
        claims: ['is no JSON object'],
        group: ['is no text'],
      },
    })
  })

  test('of an integer that no double holds keeps every digit, as text, also in the JSON of a cell', () => {
    const [id, other] = ['9007199254740993', '-12345678901234567890']
    const row = parseJson(`{"external_id":${id},"claims":{"of":[${other},9007199254740991,1e300]}}`) as Row
    const account = { external_id: id, claims: { of: [other, 9007199254740991, 1e300] } }
    expect(user(row)).toEqual(account)
    expect(user({ external_id: id, claims: `{"of":[${other},9007199254740991,1e300]}` })).toEqual(account)
    expect(lookUp({ meta: `{"id":${id}}` }, 'meta.id')).toBe(id)
    expect(parseJson(`{"text":"${id}"}`)).toEqual({ text: id })
  })

  test('that is empty is nothing, but for a confirmation, which then did not happen', () => {
    expect(
      user({ email: 'a@example.com', group: ' ', active: '', confirmed: '', claims: null, created_at: null }),
    ).toEqual({
      primary_email: 'a@example.com',
      confirmed: false,
    })
    expect(user({ email: 'a@example.com' })).toEqual({ primary_email: 'a@example.com' })
  })

  test('of a password that nobody has is none: Django marks it so', () => {
    expect(user({ external_id: 7, password_hash: '!kZ3' })).toEqual({ external_id: '7' })
  })

  test('of a language is one that there are mails in, whatever its region', () => {
    expect([user({ language: 'ru-RU' }), user({ language: 'de' }), user({ language: 'EN_us' })]).toEqual([
      { language: 'ru' },
      {},
      { language: 'en' },
    ])
  })
})

describe('--map and --set', () => {
  test('take the place of what is known, by column and by field', () => {
    const how = {
      maps: ['login=primary_email', 'email=', 'plan=claims.plan', 'meta.tenant.id=claims.tenant'],
      sets: ['group=staff', 'confirmed=false'],
    }
    const row = { login: 'a@example.com', email: 'no', plan: 'pro', meta: '{"tenant":{"id":7}}' }
    expect(user(row, how)).toEqual({
      primary_email: 'a@example.com',
      group: 'staff',
      confirmed: false,
      claims: { plan: 'pro', tenant: 7 },
    })
  })

  test('--set holds for rows that do not say', () => {
    expect([user({ group: 'a' }, { sets: ['group=b'] }), user({ group: '' }, { sets: ['group=b'] })]).toEqual([
      { group: 'a' },
      { group: 'b' },
    ])
    expect(user({ active: 'f' }, { sets: ['disabled=false'] })).toEqual({ active: false })
  })

  test('--set claims=JSON comes behind the claims that a row has', () => {
    const how = { maps: ['plan=claims.plan'], sets: ['claims={"plan":"free","tier":1,"seats":2}', 'claims.seats=9'] }
    expect(user({ plan: 'pro', claims: '{"tier":0,"role":"x"}' }, how)).toEqual({
      claims: { plan: 'pro', tier: 0, role: 'x', seats: 2 },
    })
    expect(user({ claims: { tier: null } }, how)).toEqual({ claims: { tier: null, plan: 'free', seats: 2 } })
  })

  test('of two that contradict each other, the first --set counts or both close the account', () => {
    expect(user({}, { sets: ['active=true', 'disabled=true'] })).toEqual({ active: false })
    expect(user({}, { sets: ['group=a', 'group=b'] })).toEqual({ group: 'a' })
  })

  test.each([
    ['claims=[1]', '--set claims=[1]: the value is no JSON object'],
    ['active=maybe', '--set active=maybe: the value is neither true nor false, nor a time'],
    ['created_at=soon', '--set created_at=soon: the value is no time'],
  ])('--set %s is refused before the first row', (text, words) => {
    expect(() => readFixed(text)).toThrow(words)
  })

  test.each([
    ['login', '--map login is no THEIRS=OURS, such as --map e_mail=primary_email'],
    ['login=primary_mail', 'primary_mail is nothing of an account: did you mean primary_email?'],
    ['login=claims.', 'claims. is nothing of an account: did you mean claims?'],
    ['login=nonsense', `nonsense is nothing of an account, but ${Object.keys(TARGETS).join(', ')} or claims.NAME`],
  ])('%j says what it lacks', (text, words) => {
    expect(() => readPair(text)).toThrow(words)
  })

  test('a way leads through objects, and through JSON in a cell', () => {
    expect(lookUp({ a: { 'b.c': 1 } }, 'a.b.c')).toBe(1)
    expect(lookUp({ 'a.b': 2 }, 'a.b')).toBe(2)
    expect(lookUp({ a: '{"b":{"c":3}}' }, 'a.b.c')).toBe(3)
    expect([lookUp({ a: 'b' }, 'a.b'), lookUp({ a: '{b' }, 'a.b'), lookUp({}, 'constructor.name')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('an export of', () => {
  test('SimpleJWT: auth_user as CSV, and as dumpdata', () => {
    const columns = {
      password: 'pbkdf2_sha256$1',
      email: 'a@example.com',
      is_active: 't',
      is_staff: 't',
      is_superuser: 'f',
      date_joined: '2023-11-14 22:13:20+00',
    }
    const account = {
      external_id: '7',
      primary_email: 'a@example.com',
      password_hash: 'pbkdf2_sha256$1',
      active: true,
      group: 'staff',
      created_at: 1_700_000_000,
    }
    expect(user({ id: '7', username: 'a', ...columns }, { preset: PRESETS.simplejwt })).toEqual(account)
    const fields = { ...columns, is_active: true, is_staff: true, is_superuser: true, groups: [] }
    expect(user({ model: 'auth.user', pk: 7, fields }, { preset: PRESETS.simplejwt })).toEqual({
      ...account,
      group: 'admin',
    })
  })

  test('better-auth: who is banned is disabled until that ends', () => {
    const row = {
      id: 'x1',
      email: 'a@example.com',
      emailVerified: 1,
      password: '00:11',
      createdAt: '2023-11-14T22:13:20.000Z',
      role: null,
    }
    const account = {
      external_id: 'x1',
      primary_email: 'a@example.com',
      confirmed: true,
      password_hash: '00:11',
      created_at: 1_700_000_000,
    }
    const preset = PRESETS['better-auth']
    expect(user({ ...row, banned: 0 }, { preset })).toEqual({ ...account, active: true })
    expect(user({ ...row, banned: 1, banExpires: null }, { preset })).toEqual({ ...account, active: false })
    expect(user({ ...row, banned: 't', banExpires: '2001-01-01T00:00:00Z' }, { preset })).toEqual({
      ...account,
      active: true,
    })
    expect(user({ ...row, banned: 't', banExpires: '2101-01-01T00:00:00Z' }, { preset })).toEqual({
      ...account,
      active: false,
    })
  })

  test('Supabase: the id stays the subject, and who was deleted is left out', () => {
    const row = {
      id: '3B0E7A5E-0000-4000-8000-000000000001',
      email: 'a@example.com',
      encrypted_password: '$2a$10$x',
      email_confirmed_at: '',
      banned_until: 'infinity',
      deleted_at: '',
      raw_app_meta_data: '{"provider":"email","role":"staff"}',
      created_at: '2023-11-14 22:13:20.5+00',
    }
    expect(user(row, { preset: PRESETS.supabase })).toEqual({
      guid: '3b0e7a5e-0000-4000-8000-000000000001',
      primary_email: 'a@example.com',
      password_hash: '$2a$10$x',
      confirmed: false,
      active: false,
      group: 'staff',
      created_at: 1_700_000_000,
    })
    expect(map({ ...row, deleted_at: '2024-01-01 00:00:00+00' }, { preset: PRESETS.supabase })).toEqual({
      leftOut: true,
    })
  })

  test('Auth0: its users, and its password hashes', () => {
    const preset = PRESETS.auth0
    expect(
      user({ user_id: 'google|1', email: 'a@example.com', email_verified: true, blocked: true }, { preset }),
    ).toEqual({
      external_id: 'google|1',
      primary_email: 'a@example.com',
      confirmed: true,
      active: false,
    })
    expect(
      user(
        { _id: { $oid: '5f' }, email: 'a@example.com', email_verified: false, passwordHash: '$2b$10$x' },
        { preset },
      ),
    ).toEqual({
      external_id: 'auth0|5f',
      primary_email: 'a@example.com',
      confirmed: false,
      password_hash: '$2b$10$x',
    })
  })

  test('Devise and Laravel', () => {
    const row = { id: 7, email: 'a@example.com', created_at: '2023-11-14 22:13:20' }
    const account = {
      external_id: '7',
      primary_email: 'a@example.com',
      confirmed: true,
      password_hash: '$2a$12$x',
      created_at: 1_700_000_000,
    }
    expect(
      user({ ...row, encrypted_password: '$2a$12$x', confirmed_at: '2023-11-14 22:13:20' }, { preset: PRESETS.devise }),
    ).toEqual(account)
    expect(
      user({ ...row, password: '$2a$12$x', email_verified_at: '2023-11-14 22:13:20' }, { preset: PRESETS.laravel }),
    ).toEqual(account)
  })

  test('a system that is not known is named with the nearest one, and a framework with the export of its users', () => {
    expect(() => presetOf('django')).toThrow(/: did you mean simplejwt\?$/)
    expect(() => presetOf('rails')).toThrow(/: did you mean devise\?$/)
    expect(() => presetOf('supabse')).toThrow(
      '--from supabse is none of simplejwt, better-auth, supabase, auth0, firebase, devise, laravel: did you mean supabase?',
    )
  })
})

describe('an export of Firebase', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-firebase-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const signerKey = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=='
  const hash_config = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: ${signerKey},
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`

  test('has its hashes under the parameters of its project', () => {
    writeFileSync(join(folder, 'hash.txt'), hash_config)
    const firebase = readFirebaseParameters('hash.txt', { INIT_CWD: folder })
    const row = {
      localId: 'u1',
      email: 'a@example.com',
      emailVerified: true,
      passwordHash: 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
      salt: '42xEC+ixf3L2lw==',
      createdAt: '1700000000000',
      customAttributes: '{"plan":"pro"}',
    }
    const mapped = createMapping(PRESETS.firebase.pairs, [], NOW)(PRESETS.firebase.prepare(row, { firebase }))
    expect(mapped).toEqual({
      user: {
        external_id: 'u1',
        primary_email: 'a@example.com',
        confirmed: true,
        password_hash: `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=${signerKey}$${row.salt}$${row.passwordHash}`,
        created_at: 1_700_000_000,
        claims: { plan: 'pro' },
      },
    })
  })

  test('is a hash that Tessera takes', () => {
    const parameters = { signerKey, saltSeparator: 'Bw==', rounds: 8, memCost: 14 }
    const hash = 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='
    expect(readForeignHash(firebaseHash(parameters, '42xEC+ixf3L2lw==', hash))).toHaveProperty('stored')
  })

  test('needs them, and says which are missing without showing any', () => {
    writeFileSync(join(folder, 'part.txt'), hash_config.replace('rounds: 8,\n', ''))
    expect(() => readFirebaseParameters('part.txt', { INIT_CWD: folder })).toThrow(/^part.txt lacks rounds: paste/)
    expect(() => readFirebaseParameters('none.txt', { INIT_CWD: folder })).toThrow(
      'There is no file none.txt, or it may not be read by you.',
    )
  })
})
