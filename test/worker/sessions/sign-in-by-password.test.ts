/**
 * Signing in with a password, in JSON and as a browser: who is let in, what is told to everybody else, and what may have
 * changed between the password that was verified and the session that it opens.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccountStore } from '../../../src/db/accounts/store.ts'
import { createSessionStore } from '../../../src/db/sessions/store.ts'
import type { JudgedSignIn } from '../../../src/domain/sessions/session.ts'
import { createAccount, dumpBesideAttempts, dumpTables, emptyTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import {
  answer,
  answerBesideCookies,
  describeAccount,
  granted,
  okJson,
  MALFORMED,
  malformed,
  NO_ACCOUNT,
  NOT_JSON,
  STRING_MISSING,
  UNAVAILABLE,
} from '../../support/answers.ts'
import { DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { claimsOf, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { type BodyOptions, callWithoutTrace, EXCHANGES, form, post, signInByJson } from '../../support/requests.ts'
import { LIVE, sessionRow, tokensIn } from '../../support/sessions.ts'
import { HOME, ORIGIN, pairOf, setCookies, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('POST /auth/session', () => {
  const path = '/auth/session'

  test('signs a browser in: who it is in the body, the pair in cookies', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const { email, id, guid, group } = account
    const response = await worker.call(path, { method: 'POST', json: { primary_email: email, password: PASSWORD } })
    const cookies = setCookies(response)
    const tokens = tokensIn(pairOf(response))

    expect(await answerBesideCookies(response)).toEqual(okJson({ email, user_id: id, guid, group }))
    const attributes = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(cookies).toEqual({
      access_token: { value: tokens.access, attributes: ['Max-Age=864000', 'Path=/', ...attributes] },
      refresh_token: { value: tokens.refresh, attributes: ['Max-Age=864000', 'Path=/refresh', ...attributes] },
    })
    const { sid } = claimsOf(tokens.access)
    expect(await sessionRow(String(sid))).toMatchObject({ user_id: id, created_at: T0, ip: HOME, ...LIVE })
    expect((await EXCHANGES.cookies(worker, tokens)).status).toBe(200)
  })

  test('says the same to the byte, sets no cookie and only counts it, whatever is wrong', async () => {
    const good = await createAccount(env.DB)
    const inactive = await createAccount(env.DB, { isActive: false })
    const unconfirmed = await createAccount(env.DB, { confirmedAt: null })
    const without = await createAccount(env.DB, { passwordHash: null })
    const attempts = {
      'unknown e-mail': ['nobody@example.com', PASSWORD],
      'wrong password': [good.email, 'wrong'],
      inactive: [inactive.email, PASSWORD],
      unconfirmed: [unconfirmed.email, PASSWORD],
      'no password set': [without.email, PASSWORD],
    } as const

    const before = await dumpBesideAttempts(env.DB)
    for (const [name, [primary_email, password]] of Object.entries(attempts)) {
      const response = await worker.call(path, { method: 'POST', json: { primary_email, password } })
      expect({ name, cookies: setCookies(response), ...(await answerBesideCookies(response)) }).toEqual({
        name,
        cookies: {},
        ...NO_ACCOUNT,
      })
    }
    expect(await dumpBesideAttempts(env.DB)).toEqual(before)
  })

  test.each<[string, BodyOptions, unknown]>([
    ['no fields', { json: {} }, malformed({ primary_email: [STRING_MISSING], password: [STRING_MISSING] })],
    ['half of it', { json: { primary_email: 'a@example.com' } }, malformed({ password: [STRING_MISSING] })],
    ['no JSON', { body: '{', headers: { 'Content-Type': 'application/json' } }, MALFORMED],
    ['a form', form({ primary_email: 'a@example.com', password: PASSWORD }), NOT_JSON],
    ['text that is JSON', { json: {}, headers: { 'Content-Type': 'text/plain' } }, NOT_JSON],
    ['no body', {}, NOT_JSON],
  ])('refuses %s', async (_name, options, expected) => {
    const response = await callWithoutTrace(path, { ...options, method: 'POST' })

    expect(setCookies(response)).toEqual({})
    expect(await answerBesideCookies(response)).toEqual(expected)
  })
})

const CURRENT_HASH = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/

async function storedHash(id: number): Promise<unknown> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
}

describe('POST /auth/token', () => {
  test('hands out a pair, and whom it is for', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const tokens = await granted(await signInByJson(account.email), describeAccount(account))

    const shared = {
      iss: ORIGIN,
      sub: account.guid,
      id: account.id,
      guid: account.guid,
      sid: expect.stringMatching(UUID) as string,
      jti: expect.stringMatching(UUID) as string,
      iat: T0,
    }
    const { sid, jti } = claimsOf(tokens.access)
    expect(claimsOf(tokens.access)).toEqual({ ...shared, exp: T0 + 300, group: 'editors', token_type: 'access' })
    expect(claimsOf(tokens.refresh)).toEqual({
      ...shared,
      sid,
      jti,
      exp: T0 + 10 * DAY_SECONDS,
      ip: HOME,
      token_type: 'refresh',
    })
    const { results } = await env.DB.prepare('SELECT sid, jti, ip FROM sessions WHERE user_id = ?')
      .bind(account.id)
      .all()
    expect(results).toEqual([{ sid, jti, ip: HOME }])
    const stored = JSON.stringify(await dumpTables(env.DB))
    const secrets = [...tokens.access.split('.'), ...tokens.refresh.split('.'), PASSWORD]
    expect(secrets.filter((secret) => stored.includes(secret))).toEqual([])
  })

  test('says the same to the byte, and only counts it, whatever is wrong', async () => {
    const good = await createAccount(env.DB)
    const inactive = await createAccount(env.DB, { isActive: false })
    const unconfirmed = await createAccount(env.DB, { confirmedAt: null })
    const without = await createAccount(env.DB, { passwordHash: null })
    const outdated = await createAccount(env.DB, { passwordHash: HASHES.scrypt })
    const unreadable = await createAccount(env.DB, { passwordHash: PASSWORD })
    const costly = await createAccount(env.DB, {
      passwordHash: HASHES.current.replace('m=19456', 'm=4194304'),
    })
    const before = await dumpBesideAttempts(env.DB)

    const answers = {
      'unknown e-mail': await answer(await signInByJson('nobody@example.com')),
      'wrong password': await answer(await signInByJson(good.email, 'wrong')),
      'wrong password of an outdated hash': await answer(await signInByJson(outdated.email, 'wrong')),
      'no password set': await answer(await signInByJson(without.email)),
      'no password set, the word null': await answer(await signInByJson(without.email, 'null')),
      inactive: await answer(await signInByJson(inactive.email)),
      'inactive, wrong password': await answer(await signInByJson(inactive.email, 'wrong')),
      unconfirmed: await answer(await signInByJson(unconfirmed.email)),
      'a hash that cannot be read': await answer(await signInByJson(unreadable.email)),
      'a hash that costs too much': await answer(await signInByJson(costly.email)),
      'the hash for a password': await answer(await signInByJson(good.email, HASHES.current)),
    }

    for (const [name, got] of Object.entries(answers)) expect({ name, ...got }).toEqual({ name, ...NO_ACCOUNT })
    expect(await dumpBesideAttempts(env.DB)).toEqual(before)
  })

  test.each([
    ['upper case', (email: string) => email.toUpperCase()],
    ['spaces around', (email: string) => `  ${email}\t`],
    ['a decomposed letter', (email: string) => email.normalize('NFD')],
  ])('finds an e-mail with %s', async (_name, spell) => {
    const account = await createAccount(env.DB, { email: `zo\u00eb-${crypto.randomUUID()}@example.com` })

    await granted(await signInByJson(spell(String(account.email))), describeAccount(account))
  })

  test('takes a password that arrives byte by byte', async () => {
    const account = await createAccount(env.DB)
    const bytes = new TextEncoder().encode(JSON.stringify({ primary_email: account.email, password: PASSWORD }))
    expect(bytes.length).toBeGreaterThan(String.fromCharCode(...bytes).replace(/[\x80-\xff]/g, '').length)
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const headers = { 'Content-Type': 'application/json' }
    await granted(await worker.call('/auth/token', { method: 'POST', body, headers }), describeAccount(account))
  })

  test('takes a password whose letters were composed differently', async () => {
    const account = await createAccount(env.DB)

    expect(PASSWORD.normalize('NFD')).not.toBe(PASSWORD)
    await granted(await signInByJson(account.email, PASSWORD.normalize('NFD')), describeAccount(account))
  })

  test.each([
    ['a space before', ` ${PASSWORD}`],
    ['a space after', `${PASSWORD} `],
    ['a line break after', `${PASSWORD}\n`],
    ['a NUL and more after', `${PASSWORD}\u0000x`],
    ['upper case', PASSWORD.toUpperCase()],
    ['its last letter cut', PASSWORD.slice(0, -1)],
    ['no accent', PASSWORD.normalize('NFD').slice(0, -1)],
    ['a letter that only looks compatible', PASSWORD.replace('c', '\uff43')],
  ])('refuses a password with %s', async (_name, password) => {
    const account = await createAccount(env.DB)

    expect(await answer(await signInByJson(account.email, password))).toEqual(NO_ACCOUNT)
  })

  test.each(['weakArgon2id', 'strongArgon2id', 'scrypt', 'pbkdf2Sha256', 'pbkdf2Sha512'] as const)(
    'accepts a hash of the kind %s, and replaces it once',
    async (kind) => {
      const account = await createAccount(env.DB, { passwordHash: HASHES[kind] })
      await granted(await signInByJson(account.email), describeAccount(account))
      const replaced = await storedHash(account.id)

      expect(replaced).toMatch(CURRENT_HASH)
      await granted(await signInByJson(account.email), describeAccount(account))
      expect(await storedHash(account.id)).toBe(replaced)
    },
  )

  test('gives every replaced hash a salt of its own', async () => {
    const accounts = [
      await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 }),
      await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 }),
    ]
    for (const account of accounts) await granted(await signInByJson(account.email), describeAccount(account))
    const [one, two] = await Promise.all(accounts.map(({ id }) => storedHash(id)))

    expect(one).not.toBe(two)
  })

  test('leaves the account as it was when its hash is current', async () => {
    const account = await createAccount(env.DB)
    const before = await dumpTables(env.DB)
    await granted(await signInByJson(account.email), describeAccount(account))

    expect((await dumpTables(env.DB))['users']).toEqual(before['users'])
  })

  test('finds an account whose address was written by SQL in mixed case', async () => {
    const account = await createAccount(env.DB, { email: 'Ada.Lovelace@Example.COM' })

    for (const typed of ['ada.lovelace@example.com', 'ADA.LOVELACE@EXAMPLE.COM', 'Ada.Lovelace@Example.COM']) {
      await granted(await signInByJson(typed), describeAccount(account))
    }
  })

  test('finds one account for an address: SQL cannot write a second one in another case', async () => {
    await createAccount(env.DB, { email: 'grace@example.com' })

    await expect(createAccount(env.DB, { email: 'Grace@example.com' })).rejects.toThrow('UNIQUE constraint failed')
  })

  test.each([
    ['no address', null, UNAVAILABLE],
    ['an address that is none', 'somewhere', MALFORMED],
  ])('from %s opens nothing', async (_name, ip, expected) => {
    const account = await createAccount(env.DB)
    const before = await dumpTables(env.DB)
    const credentials = { primary_email: account.email, password: PASSWORD }

    expect(await answer(await post('/auth/token', credentials, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

const CLIENT = { address: HOME, asn: null, country: null, city: null, provider: null, userAgent: null }

/** What a sign-in from a known place was judged by. */
const JUDGED: JudgedSignIn = {
  subject: 'subject',
  topic: 'sign_in',
  failures: 0,
  waits: false,
  notes: ['-/203.0.113.0/24', '-/203.0.113.0/24 203.0.113.7/32'],
  isNewPlace: true,
  notice: {
    kind: 'new_sign_in',
    userId: 0,
    dedupeKey: 'new_sign_in:sid',
    facts: { at: 1, client: CLIENT, origin: ORIGIN, isNewPlace: true, failures: 0 },
  },
}

const OPENED = { now: 1, expiresAt: 2, client: CLIENT, binding: null, replaced: [], sessionsMax: 1 }

/** What a sign-in writes beside its session. */
async function dumpBesideSessions() {
  const { attempts, seen_places: places, notifications } = await dumpTables(env.DB)
  return { attempts, places, notifications }
}

test.each([
  ['its password was changed', "password_hash = '$argon2id$changed'"],
  ['it was deactivated', 'is_active = 0'],
  ['its address was put in doubt', 'confirmed_at = null'],
])('opens nothing, ends nothing and replaces no hash when %s meanwhile', async (_name, change) => {
  const { email } = await createAccount(env.DB)
  const verified = await createAccountStore(env.DB).findByEmail(email ?? '')
  if (verified === null) throw new Error('no account')
  const store = createSessionStore(env.DB, () => crypto.randomUUID())
  const old = { ...OPENED, sid: crypto.randomUUID(), jti: crypto.randomUUID() }
  expect(await store.openForPassword(verified, null, old, JUDGED)).toEqual({ mail: null, ended: [] })
  const readHash = () => env.DB.prepare('select password_hash from users where id = ?').bind(verified.id).first()
  await env.DB.prepare(`update users set ${change} where id = ?`).bind(verified.id).run()
  const before = await readHash()
  await env.DB.prepare("insert into attempts values ('subject', 'sign_in', 3, 1, 1, 0)").run()
  const noted = await dumpBesideSessions()

  const session = {
    ...OPENED,
    sid: crypto.randomUUID(),
    jti: crypto.randomUUID(),
    replaced: [{ sid: old.sid, userId: verified.id, guid: verified.guid }],
  }
  const judged = {
    ...JUDGED,
    failures: 3,
    place: '-/198.51.100.0/24',
    notice: { ...JUDGED.notice, userId: verified.id, dedupeKey: 'new_sign_in:another' },
  }
  expect(await store.openForPassword(verified, 'rehashed', session, judged)).toBe('changed')

  expect(await env.DB.prepare('select 1 from sessions where sid = ?').bind(session.sid).first()).toBeNull()
  expect(await readHash()).toEqual(before)
  expect(await dumpBesideSessions()).toEqual(noted)
  expect((await store.find(old.sid))?.session.endedAt).toBeNull()
})
