/** PATCH /admin/users/{guid}: what each change does, what it writes beside the account, and what it leaves alone. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changeEmail,
  confirm,
  forgot,
  GOOD_PASSWORD,
  kindsTo,
  linkTo,
  mailsTo,
  moveAddress,
  OTHER_PASSWORD,
  pressPage,
  registered,
  reset,
  signedIn,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, GUID, HASHES, PASSWORD } from '../../support/accounts.ts'
import { answer, MALFORMED, malformed, NOT_FOUND, okJson, problem, USED } from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, addUser, admin, changeUser, eventsOf } from '../../support/operators.ts'
import { refreshByJson, signInByJson } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'

stopClock()
keepLog('warn')

/** An event as it is stored where nobody follows. */
function event(
  type: string,
  { reason = null, facts = {}, ended = null }: { reason?: string | null; facts?: object; ended?: number | null } = {},
) {
  return { type, reason, sid: null, facts: JSON.stringify(facts), ended_before: ended, due_at: null }
}

/** What was written about an account since it was made. */
async function writtenAbout(userId: number) {
  return { acts: (await actsOn(userId)).slice(1), events: (await eventsOf(userId)).slice(1) }
}

async function guidOf(id: number): Promise<string> {
  return String((await userRow(id))?.['guid'])
}

function refusal(reason: string) {
  const errors = { password: [reason] }
  return problem(400, 'Bad Request', 'Password is not accepted', 'password_not_accepted', { errors })
}

/** Asks for what is refused, and sees that nothing was written. */
async function refused(guid: string, json: unknown) {
  const before = await dumpTables(env.DB)
  const response = await answer(await admin('PATCH', `/users/${guid}`, json))
  expect(await dumpTables(env.DB)).toEqual(before)
  return response
}

describe('a change of what tokens and answers show', () => {
  test.each([
    [{ group: 'editors' }, { group: 'editors' }, ['group'], { from: { group: 'user' }, to: { group: 'editors' } }],
    [
      { claims: { plan: 'pro' } },
      { claims: { plan: 'pro' } },
      ['claims'],
      { claims: { added: ['plan'], changed: [], removed: [] } },
    ],
    [{ external_id: 'crm-77' }, { external_id: 'crm-77' }, ['external_id'], {}],
    [
      { language: 'ru', time_zone: 'Asia/Almaty' },
      { language: 'ru', time_zone: 'Asia/Almaty' },
      ['language', 'time_zone'],
      {},
    ],
    [
      { confirmed: false },
      { confirmed: false },
      ['confirmed'],
      { from: { confirmed: true }, to: { confirmed: false } },
    ],
  ] as const)('%j ends no session, and is told as a change', async (fields, changed, names, values) => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const { refresh } = await openByGuid(user.guid)
    at(5)
    expect(await changeUser(user.guid, fields)).toEqual({ ...user, ...changed, updated_at: T0 + 5 })
    expect(await writtenAbout(user.user_id)).toEqual({
      acts: [['user_changed', { fields: names, ...values }]],
      events: [event('account_changed', { facts: { fields: names } })],
    })
    expect((await refreshByJson(refresh)).status).toBe(200)
    expect(await kindsTo(user.email)).toEqual([])
  })

  test('confirming an address lets its account sign in, and is an event of its own', async () => {
    const user = await addUser({ password: GOOD_PASSWORD, confirmed: false })
    expect((await signInByJson(user.email, GOOD_PASSWORD)).status).toBe(401)
    await changeUser(user.guid, { confirmed: true })
    expect((await signInByJson(user.email, GOOD_PASSWORD)).status).toBe(200)
    expect((await writtenAbout(user.user_id)).events).toEqual([
      event('confirmed'),
      event('account_changed', { facts: { fields: ['confirmed'] } }),
    ])
  })

  test('null takes away what may be missing', async () => {
    const all = { external_id: 'gone', claims: { a: 1 }, group: 'editors', language: 'en', time_zone: 'UTC' }
    const user = await addUser({ ...all, password: GOOD_PASSWORD })
    const nothing = { external_id: null, claims: null, group: null, language: null, time_zone: null, password: null }
    expect(await changeUser(user.guid, nothing)).toMatchObject({
      external_id: null,
      claims: {},
      group: 'user',
      language: null,
      time_zone: null,
      has_password: false,
    })
    expect((await signInByJson(user.email, GOOD_PASSWORD)).status).toBe(401)
  })

  test('an empty object is no claim', async () => {
    const user = await addUser({ claims: { a: 1 } })
    await changeUser(user.guid, { claims: {} })
    expect(await userRow(user.user_id)).toMatchObject({ own_claims: null })
  })
})

describe('a change that changes nothing writes nothing:', () => {
  test.each([
    { group: 'editors' },
    { claims: { a: [1, 'é'] } },
    { external_id: 'same' },
    { active: true, confirmed: true },
    { password_hash: HASHES.current },
    { language: null, time_zone: null },
    { primary_email: 'Same@Example.com' },
  ])('%j', async (fields) => {
    const given = { primary_email: 'same@example.com', external_id: 'same', group: 'editors', claims: { a: [1, 'é'] } }
    const { results } = await env.DB.prepare("SELECT guid FROM users WHERE external_id = 'same'").all<{
      guid: string
    }>()
    const user = results[0] ?? (await addUser({ ...given, password_hash: HASHES.current }))
    const before = await dumpTables(env.DB)
    at(60)
    expect((await admin('PATCH', `/users/${user.guid}`, fields)).status).toBe(200)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('the address of an account that SQL wrote in capitals', async () => {
    const account = await createAccount(env.DB, { email: 'Loud@Example.com' })
    const before = await dumpTables(env.DB)
    expect(await changeUser(account.guid, { primary_email: 'loud@example.com' })).toMatchObject({
      email: 'Loud@Example.com',
    })
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('a new password', () => {
  test('ends every session, voids the links of mails, and is told to the owner', async () => {
    const mine = await registered()
    const guid = await guidOf(mine.id)
    await forgot(mine.email)
    const link = await linkTo(mine.email, 'reset_password', 'reset_password')
    for (let i = 0; i < 4; i += 1) await signInByJson(mine.email, 'wrong')
    at(10)
    await changeUser(guid, { password: OTHER_PASSWORD })

    expect(await answer(await refreshByJson(mine.refresh))).toEqual(USED)
    expect(await answer(await reset(link))).toEqual(USED)
    expect((await signInByJson(mine.email, GOOD_PASSWORD)).status).toBe(401)
    await signedIn(mine.email, OTHER_PASSWORD)
    const told = (await mailsTo(mine.email)).find(({ kind }) => kind === 'password_changed')
    expect(JSON.parse(String(told?.['facts']))).toMatchObject({ how: 'operator', at: T0 + 10 })
    expect(await actsOn(mine.id)).toEqual([['user_changed', { fields: ['password'] }]])
    expect((await eventsOf(mine.id)).filter(({ type }) => type === 'password_changed')).toEqual([
      event('password_changed', { reason: 'operator', ended: T0 + 10 }),
    ])
    // What failed before it is forgotten: nobody who is told the new password has to wait.
    expect((await mailsTo(mine.email)).filter(({ kind }) => kind === 'new_sign_in')).toEqual([])
  })

  test('is held to the rules, by the address that the account gets with it', async () => {
    const user = await addUser()
    const before = await dumpTables(env.DB)
    expect(await answer(await admin('PATCH', `/users/${user.guid}`, { password: 'short' }))).toEqual(
      refusal('must have at least 15 characters'),
    )
    const both = { primary_email: 'marguerite@example.com', password: 'marguerite-marguerite' }
    expect(await answer(await admin('PATCH', `/users/${user.guid}`, both))).toEqual(
      refusal('is made of your own address'),
    )
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('may be a hash, of which the next good sign-in makes a new one', async () => {
    const user = await addUser()
    expect(await changeUser(user.guid, { password_hash: HASHES.pbkdf2Sha256 })).toMatchObject({ has_password: true })
    expect((await signInByJson(user.email, PASSWORD)).status).toBe(200)
    expect((await userRow(user.user_id))?.['password_hash']).toMatch(/^\$argon2id\$/)
  })

  test('which is the same as the former one is a change all the same', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const { refresh } = await openByGuid(user.guid)
    await changeUser(user.guid, { password: GOOD_PASSWORD })
    expect((await refreshByJson(refresh)).status).toBe(401)
    expect(await userRow(user.user_id)).toMatchObject({ credentials_version: 1 })
  })

  test('of an account without address tells nobody', async () => {
    const user = await addUser({ primary_email: null, guid: crypto.randomUUID() })
    const { notifications } = await dumpTables(env.DB)
    await changeUser(user.guid, { password: GOOD_PASSWORD })
    expect((await dumpTables(env.DB))['notifications']).toEqual(notifications)
  })
})

describe('another address', () => {
  test('ends every session, voids the links of mails, and is told to the former one, which cannot undo it', async () => {
    const mine = await registered()
    const [guid, next, other] = [
      await guidOf(mine.id),
      `${crypto.randomUUID()}@example.com`,
      `${crypto.randomUUID()}@example.com`,
    ]
    await changeEmail(mine.access, other)
    const pending = await linkTo(other, 'confirm_email', 'confirm_email')
    at(10)
    await changeUser(guid, { primary_email: next.toUpperCase() })

    expect(await answer(await refreshByJson(mine.refresh))).toEqual(USED)
    expect((await pressPage('/links/confirm-email', { token: pending })).status).toBe(401)
    expect((await signInByJson(mine.email, GOOD_PASSWORD)).status).toBe(401)
    await signedIn(next, GOOD_PASSWORD)
    const told = (await mailsTo(mine.email)).find(({ kind }) => kind === 'email_changed')
    expect(JSON.parse(String(told?.['facts']))).toMatchObject({ by: 'operator', at: T0 + 10 })
    const undo = await linkTo(mine.email, 'email_changed', 'undo_email')
    expect((await pressPage('/links/undo-email', { token: undo })).status).toBe(401)
    expect(await actsOn(mine.id)).toEqual([['user_changed', { fields: ['primary_email'] }]])
    expect((await eventsOf(mine.id)).filter(({ type }) => type === 'email_changed')).toEqual([
      event('email_changed', { reason: 'operator', ended: T0 + 10 }),
    ])
    expect(await kindsTo(next)).toEqual([])
  })

  test('voids the link by which the owner of a former address could have undone an earlier change', async () => {
    const mine = await registered()
    const [guid, second, third] = [
      await guidOf(mine.id),
      `${crypto.randomUUID()}@example.com`,
      `${crypto.randomUUID()}@example.com`,
    ]
    const undo = await moveAddress(mine.access, mine.email, second)
    await changeUser(guid, { primary_email: third })
    expect((await pressPage('/links/undo-email', { token: undo })).status).toBe(401)
    expect(await userRow(mine.id)).toMatchObject({ primary_email: third })
  })

  test('with a new password: the former address is told of the one, and the new address of the other', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const next = `${crypto.randomUUID()}@example.com`
    await changeUser(user.guid, { primary_email: next, password: OTHER_PASSWORD })
    expect([await kindsTo(user.email), await kindsTo(next)]).toEqual([['email_changed'], ['password_changed']])
    await signedIn(next, OTHER_PASSWORD)
  })

  test('counts as confirmed where it is the first one, and otherwise as before', async () => {
    const first = await addUser({ primary_email: null, guid: crypto.randomUUID() })
    expect(await changeUser(first.guid, { primary_email: `${first.guid}@example.com` })).toMatchObject({
      confirmed: true,
    })
    const unsure = await addUser({ primary_email: null, guid: crypto.randomUUID() })
    const fields = { primary_email: `${unsure.guid}@example.com`, confirmed: false }
    expect(await changeUser(unsure.guid, fields)).toMatchObject({ confirmed: false })
    expect(await changeUser(unsure.guid, { primary_email: `${unsure.guid}@example.org` })).toMatchObject({
      confirmed: false,
    })
  })

  test('is confirmed since it is there, and not since the former one was', async () => {
    const user = await addUser()
    at(60)
    expect(await changeUser(user.guid, { primary_email: `${user.guid}@example.org` })).toMatchObject({
      confirmed: true,
    })
    expect(await userRow(user.user_id)).toMatchObject({ confirmed_at: T0 + 60 })
    at(120)
    await changeUser(user.guid, { group: 'editors' })
    expect(await userRow(user.user_id)).toMatchObject({ confirmed_at: T0 + 60 })
  })

  test('may be none: the former one is told, and free', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    expect(await changeUser(user.guid, { primary_email: null })).toMatchObject({ email: null, confirmed: false })
    expect(await kindsTo(user.email)).toEqual(['email_changed'])
    expect(await addUser({ primary_email: user.email })).toMatchObject({ email: user.email })
    expect(await answer(await admin('PATCH', `/users/${user.guid}`, { confirmed: true }))).toEqual(
      malformed({ confirmed: ['needs an address'] }),
    )
  })
})

describe('closing an account', () => {
  test('ends its sessions at once, and opening it again brings none back', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const { refresh } = await openByGuid(user.guid)
    at(3)
    expect(await changeUser(user.guid, { active: false })).toMatchObject({ active: false, updated_at: T0 + 3 })
    expect(await answer(await refreshByJson(refresh))).toMatchObject({ status: 401 })
    expect((await signInByJson(user.email, GOOD_PASSWORD)).status).toBe(401)
    expect(await changeUser(user.guid, { active: true })).toMatchObject({ active: true })
    expect(await answer(await refreshByJson(refresh))).toEqual(USED)
    expect((await signInByJson(user.email, GOOD_PASSWORD)).status).toBe(200)
    expect(await writtenAbout(user.user_id)).toEqual({
      acts: [
        ['user_deactivated', {}],
        ['user_activated', {}],
      ],
      events: [event('deactivated', { ended: T0 + 3 }), event('activated', { ended: T0 + 3 })],
    })
  })

  test('together with another change is two acts, in one transaction', async () => {
    const user = await addUser({ group: 'editors' })
    await changeUser(user.guid, { active: false, group: 'former' })
    expect((await writtenAbout(user.user_id)).acts).toEqual([
      ['user_changed', { fields: ['group'], from: { group: 'editors' }, to: { group: 'former' } }],
      ['user_deactivated', {}],
    ])
  })
})

describe('is refused, and nothing is written:', () => {
  test('an unknown guid, one of an account that was left, and what is none', async () => {
    expect(await refused(GUID, { group: 'editors' })).toEqual(NOT_FOUND)
    const user = await addUser()
    await admin('DELETE', `/users/${user.guid}`)
    expect(await refused(user.guid, { active: true })).toEqual(NOT_FOUND)
    expect(await refused('12', { group: 'editors' })).toEqual(malformed({ guid: ['Invalid GUID'] }))
  })

  test.each([
    [{}, { body: ['must have a field to change'] }],
    [
      { is_active: false, guid: GUID },
      { is_active: ['is not known'], guid: ['is not known'], body: ['must have a field to change'] },
    ],
    [{ group: 'editors', is_active: false }, { is_active: ['is not known'] }],
    [{ password: 'x', password_hash: HASHES.current }, { password_hash: ['must not come beside a password'] }],
    [{ claims: { exp: 1 } }, { claims: ['must not have exp, which is reserved'] }],
    [{ active: null }, { active: ['Invalid input: expected boolean, received null'] }],
  ])('%j', async (json, errors) => {
    const user = await addUser()
    expect(await refused(user.guid, json)).toEqual(malformed(errors as unknown as Record<string, string[]>))
  })

  test('what is no JSON', async () => {
    const user = await addUser()
    const { SERVICE } = await import('../../support/requests.ts')
    const headers = { ...SERVICE, 'Content-Type': 'application/json' }
    const response = await admin('PATCH', `/users/${user.guid}`, undefined, undefined, { headers, body: '{' })
    expect(await answer(response)).toEqual(MALFORMED)
  })

  test('what another account has, all of it', async () => {
    const [one, other] = [await addUser({ external_id: 'theirs' }), await addUser()]
    const errors = { primary_email: ['is taken'], external_id: ['is taken'] }
    const fields = { primary_email: one.email, external_id: 'theirs', group: 'editors' }
    expect(await refused(other.guid, fields)).toEqual(
      problem(409, 'Conflict', 'Already exists', 'already_exists', { errors }),
    )
  })
})

test('a registration that waits for the address which an operator has just given away makes no account', async () => {
  const [user, email] = [await addUser(), `${crypto.randomUUID()}@example.com`]
  const { register } = await import('../../support/account-life.ts')
  await register(email)
  const token = await linkTo(email, 'confirm_address', 'confirm')
  await changeUser(user.guid, { primary_email: email })
  expect((await confirm(token)).status).toBe(401)
  expect(await answer(await admin('GET', `/users/${user.guid}`))).toEqual(okJson({ user: { ...user, email } }))
})
