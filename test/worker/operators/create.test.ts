/** POST /admin/users: what an operator may give to a new account, what comes back, and what is written beside it. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { userRow } from '../../support/account-life.ts'
import { createAccount, dumpTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import { answer, COMMON, malformed, problem } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { named, TOO_STRONG_HASHES } from '../../support/foreign-hashes.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, addUser, admin, eventsOf, type UserAnswer } from '../../support/operators.ts'
import { signInByJson } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { HOME, startWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

const GUID = '01234567-89AB-CDEF-0123-456789ABCDEF'

const NOBODY = {
  group: 'user',
  active: true,
  confirmed: false,
  has_password: false,
  external_id: null,
  claims: {},
  language: null,
  time_zone: null,
  created_at: T0,
  updated_at: T0,
  left_at: null,
}

function taken(...fields: readonly string[]) {
  const errors = Object.fromEntries(fields.map((field) => [field, ['is taken']]))
  return problem(409, 'Conflict', 'Already exists', 'already_exists', { errors })
}

function create(json: unknown) {
  return admin('POST', '/users', json)
}

/** Asks for what is refused, and sees that nothing was written. */
async function refused(json: unknown) {
  const before = await dumpTables(env.DB)
  const response = await answer(await create(json))
  expect(await dumpTables(env.DB)).toEqual(before)
  return response
}

describe('a new account', () => {
  test('has everything that the operator gave to it', async () => {
    const given = {
      primary_email: ' Alba.Kovács@Example.COM ',
      password: 'seven quiet herons upstream',
      guid: GUID,
      external_id: 'crm-4711',
      group: 'editors',
      claims: { tenant: 'acme', roles: ['writer'] },
      active: true,
      confirmed: true,
      language: 'ru',
      time_zone: 'Europe/Moscow',
    }
    const { status, headers, body } = await answer(await create(given))
    expect({ status, headers }).toEqual({ status: 201, headers: { ...COMMON, 'content-type': 'application/json' } })
    const { user } = JSON.parse(body) as { user: UserAnswer }
    expect(user).toEqual({
      guid: GUID.toLowerCase(),
      user_id: user.user_id,
      email: 'alba.kovács@example.com',
      group: 'editors',
      active: true,
      confirmed: true,
      has_password: true,
      external_id: 'crm-4711',
      claims: { tenant: 'acme', roles: ['writer'] },
      language: 'ru',
      time_zone: 'Europe/Moscow',
      created_at: T0,
      updated_at: T0,
      left_at: null,
    })
    expect((await admin('GET', `/users/${GUID}`)).status).toBe(200)
    expect(await (await admin('GET', `/users/${GUID}`)).json()).toEqual({ user })
    expect((await signInByJson('alba.kovács@example.com', 'seven quiet herons upstream')).status).toBe(200)
  })

  test('may be an address, a guid or an external id alone', async () => {
    const email = `${crypto.randomUUID()}@example.com`
    const byEmail = await addUser({ primary_email: email })
    expect(byEmail).toEqual({ ...NOBODY, guid: byEmail.guid, user_id: byEmail.user_id, email, confirmed: true })
    expect(byEmail.guid).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
    const guid = crypto.randomUUID()
    // An account without address has none that is confirmed.
    const byGuid = await addUser({ primary_email: null, guid, confirmed: true })
    expect(byGuid).toEqual({ ...NOBODY, guid, user_id: byGuid.user_id, email: null })
    expect((await openByGuid(guid)).guid).toBe(guid)
    const byOther = await addUser({ primary_email: null, external_id: 'legacy-1' })
    expect(byOther).toMatchObject({ email: null, external_id: 'legacy-1', confirmed: false })
  })

  test('signs in by the password of a hash that was brought along', async () => {
    const { email } = await addUser({ password_hash: HASHES.scrypt })
    expect((await signInByJson(email, PASSWORD)).status).toBe(200)
  })

  test('signs in by the password of a hash in the form of another system, of which one form is stored', async () => {
    const { hash, password } = named('PHP, Laravel: bcrypt')
    const { email, user_id: id } = await addUser({ password_hash: hash })
    expect((await userRow(id))?.['password_hash']).toMatch(/^\$bcrypt\$c=4\$/)
    expect((await signInByJson(email, password)).status).toBe(200)
  })

  test('is as closed and as unconfirmed as the operator says', async () => {
    const closed = await addUser({ password: 'seven quiet herons upstream', active: false })
    const unconfirmed = await addUser({ password: 'seven quiet herons upstream', confirmed: false })
    expect([closed['active'], unconfirmed['confirmed']]).toEqual([false, false])
    for (const { email } of [closed, unconfirmed]) {
      expect((await signInByJson(email, 'seven quiet herons upstream')).status).toBe(401)
    }
  })

  test('stands in the ledger and among the events, without its secrets and its address', async () => {
    const password = 'seven quiet herons upstream'
    const user = await addUser({ password, group: 'editors', external_id: 'crm-1', claims: { tenant: 'acme' } })
    const facts = { group: 'editors', active: true, confirmed: true, has_password: true }
    expect(await actsOn(user.user_id)).toEqual([['user_created', facts]])
    expect(await eventsOf(user.user_id)).toEqual([
      {
        type: 'registered',
        reason: 'operator',
        sid: null,
        facts: '{"group":"editors"}',
        ended_before: null,
        due_at: null,
      },
    ])
    const { audit } = await dumpTables(env.DB)
    expect(audit?.at(-1)).toMatchObject({ at: T0, actor: 'service', ip: HOME })
    const { password_hash: hash } = (await userRow(user.user_id)) ?? {}
    const { audit: acts, events, notifications } = await dumpTables(env.DB)
    const told = JSON.stringify({ acts, events, notifications })
    for (const secret of [password, String(hash), user.email, 'crm-1', 'acme']) expect(told).not.toContain(secret)
  })
})

function reserved(name: string) {
  return { claims: [`must not have ${name}, which is reserved`] }
}

describe('is refused, and nothing is written:', () => {
  const email = 'new@example.com'
  const deep = { a: { b: { c: { d: 1 } } } }

  test.each([
    ['nobody', {}, { primary_email: ['Or guid, or external_id: one is needed'] }],
    [
      'nobody in three ways',
      { primary_email: null, guid: null, external_id: null },
      { primary_email: ['Or guid, or external_id: one is needed'] },
    ],
    ['what is no address', { primary_email: 'no address' }, { primary_email: ['Invalid email address'] }],
    ['two addresses', { primary_email: 'a@example.com,b@example.com' }, { primary_email: ['Invalid email address'] }],
    ['what is no guid', { guid: '12' }, { guid: ['Invalid GUID'] }],
    [
      'two passwords',
      { primary_email: email, password: 'x', password_hash: HASHES.current },
      { password_hash: ['must not come beside a password'] },
    ],
    [
      'a hash of no known form',
      { primary_email: email, password_hash: 'hunter2' },
      { password_hash: ['is of no form that is known'] },
    ],
    [
      'a hash that would cost too much',
      { primary_email: email, password_hash: TOO_STRONG_HASHES[0]?.hash },
      { password_hash: ['costs more memory or time than one check may'] },
    ],
    [
      'a group that is too long',
      { primary_email: email, group: 'g'.repeat(33) },
      { group: ['must have 1 to 32 characters, and no control characters'] },
    ],
    [
      'an empty external id',
      { external_id: '' },
      { external_id: ['must have 1 to 128 characters in one line, without blanks around it'] },
    ],
    [
      'an external id of two lines',
      { external_id: 'a\nb' },
      { external_id: ['must have 1 to 128 characters in one line, without blanks around it'] },
    ],
    [
      'an external id that is too long',
      { external_id: 'x'.repeat(129) },
      { external_id: ['must have 1 to 128 characters in one line, without blanks around it'] },
    ],
    [
      'a language that there is not',
      { primary_email: email, language: 'de' },
      { language: ['Invalid option: expected one of "en"|"ru"'] },
    ],
    [
      'a zone that there is not',
      { primary_email: email, time_zone: 'Mars/Olympus' },
      { time_zone: ['must be a name of the IANA time zone database'] },
    ],
    [
      'what is neither true nor false',
      { primary_email: email, active: 'yes' },
      { active: ['Invalid input: expected boolean, received string'] },
    ],
    [
      'a field that is not known',
      { primary_email: email, isActive: false, ['__proto__']: 1 },
      { isActive: ['is not known'], ['__proto__']: ['is not known'] },
    ],
    ['claims that are a list', { primary_email: email, claims: ['admin'] }, { claims: ['must be a JSON object'] }],
    ['claims that are a text', { primary_email: email, claims: 'admin' }, { claims: ['must be a JSON object'] }],
    ['the claim sub', { primary_email: email, claims: { sub: 'somebody' } }, reserved('sub')],
    ['the claim group', { primary_email: email, claims: { group: 'admins' } }, reserved('group')],
    ['the claim token_type', { primary_email: email, claims: { token_type: 'refresh' } }, reserved('token_type')],
    ['claims of four levels', { primary_email: email, claims: deep }, { claims: ['must have at most 3 levels'] }],
    [
      'claims that are too large',
      { primary_email: email, claims: { a: 'é'.repeat(509) } },
      { claims: ['must have at most 1024 bytes as JSON'] },
    ],
    [
      'a number that readers would round',
      { primary_email: email, claims: { a: [2 ** 53] } },
      { claims: ['must not have a number that is rounded: write it as a string'] },
    ],
  ] as const)('%s', async (_what, json, errors) => {
    expect(await refused(json)).toEqual(malformed(errors as Readonly<Record<string, readonly string[]>>))
  })

  test('a prototype', async () => {
    const body = '{"guid": "6f9619ff-8b86-d011-b42d-00c04fc964aa", "claims": {"a": {"__proto__": {"admin": true}}}}'
    const headers = { 'Content-Type': 'application/json' }
    const before = await dumpTables(env.DB)
    const { SERVICE } = await import('../../support/requests.ts')
    const response = await admin('POST', '/users', undefined, undefined, { body, headers: { ...SERVICE, ...headers } })
    expect(await answer(response)).toEqual(malformed({ claims: ['must not have __proto__, which is reserved'] }))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['short', 'must have at least 15 characters'],
    ['new@example.com new@example.com', 'is made of your own address'],
    ['passwordpassword', 'is among the most used passwords, or close to one of them'],
  ])('the password %s', async (password, reason) => {
    const errors = { password: [reason] }
    expect(await refused({ primary_email: email, password })).toEqual(
      problem(400, 'Bad Request', 'Password is not accepted', 'password_not_accepted', { errors }),
    )
  })
})

describe('what another account has', () => {
  test('is named, each of them', async () => {
    const one = await addUser({ external_id: 'mine' })
    const other = await createAccount(env.DB, { email: 'Mixed@Example.com' })
    expect(await refused({ primary_email: one.email })).toEqual(taken('primary_email'))
    expect(await refused({ primary_email: 'mixed@example.com' })).toEqual(taken('primary_email'))
    expect(await refused({ guid: other.guid.toUpperCase() })).toEqual(taken('guid'))
    expect(await refused({ external_id: 'mine' })).toEqual(taken('external_id'))
    const all = { primary_email: one.email, guid: other.guid, external_id: 'mine' }
    expect(new Set(Object.keys(JSON.parse((await refused(all)).body).errors as object))).toEqual(
      new Set(['primary_email', 'guid', 'external_id']),
    )
    // An external id is compared to the letter.
    expect(await addUser({ external_id: 'Mine' })).toMatchObject({ external_id: 'Mine' })
  })

  test('of many who ask at once for one address, one gets it, and so with a guid and an external id', async () => {
    const ids = { primary_email: 'once@example.com', guid: crypto.randomUUID(), external_id: 'once' }
    for (const [field, value] of Object.entries(ids)) {
      const others = field === 'primary_email' ? {} : { primary_email: null }
      const statuses = await Promise.all(
        Array.from({ length: 12 }, async () => (await create({ ...others, [field]: value })).status),
      )
      expect(statuses.toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 11 }, () => 409)])
    }
    const { users, audit, events } = await dumpTables(env.DB)
    const made = users?.filter((row) => Object.values(ids).some((id) => Object.values(row).includes(id)))
    expect(made).toHaveLength(3)
    for (const { id } of made ?? []) {
      expect(audit?.filter((row) => row['user_id'] === id)).toHaveLength(1)
      expect(events?.filter((row) => row['user_id'] === id)).toHaveLength(1)
    }
  })

  test('is a guid whose session a browser is just opening', async () => {
    const guid = crypto.randomUUID()
    await openByGuid(guid)
    expect(await refused({ guid })).toEqual(taken('guid'))
  })
})

test('the address of a registration that nobody confirmed is free, and its link makes no second account', async () => {
  const { confirm, linkTo, register } = await import('../../support/account-life.ts')
  const email = `${crypto.randomUUID()}@example.com`
  await register(email)
  const token = await linkTo(email, 'confirm_address', 'confirm')
  await addUser({ primary_email: email })
  expect((await confirm(token)).status).toBe(401)
})

test('D1 that has not the tables is 503', async () => {
  const { faultyDatabase } = await import('../../support/faulty-bindings.ts')
  const { database, fail } = faultyDatabase(env.DB)
  fail('before')
  const response = await admin('POST', '/users', { guid: crypto.randomUUID() }, startWorker({ DB: database }))
  expect(response.status).toBe(503)
})
