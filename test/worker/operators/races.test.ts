/** What an operator and somebody else do to one account at the same moment: nothing is lost, and nothing is told that was not done. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import {
  changePassword,
  GOOD_PASSWORD,
  kindsTo,
  leave,
  moveAddress,
  OTHER_PASSWORD,
  register,
  registered,
  userRow,
} from '../../support/account-life.ts'
import { dumpTables, emptyTables, insertPlace, insertSeenPlace } from '../../support/accounts.ts'
import { answer, DONE, NOT_FOUND, problem } from '../../support/answers.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { interruptBefore } from '../../support/interrupted-database.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, addUser, admin, changeUser, eventsOf, type UserAnswer } from '../../support/operators.ts'
import { refreshByJson, signInByJson } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { startWorker, type TestWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
beforeEach(() => emptyTables(env.DB))

/** A Worker on whose D1 something else happens between the round trip that reads an account and the one that writes. */
function interrupted(happen: () => Promise<unknown>): TestWorker {
  return startWorker({ DB: interruptBefore(env.DB, 2, happen) })
}

/** A Worker before whose every batch something else happens. */
function changingAllTheTime(happen: () => Promise<unknown>): TestWorker {
  const { database } = countRoundTrips(env.DB)
  const restless = new Proxy(database, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (name !== 'batch') return member
      return async (statements: D1PreparedStatement[]) => {
        await happen()
        return target.batch(statements)
      }
    },
  })
  return startWorker({ DB: restless })
}

/** What is known of accounts beside themselves, and forgotten with a new password. */
async function dumpKnown() {
  const { attempts, address_changes, allowed_places, seen_places } = await dumpTables(env.DB)
  return { attempts, address_changes, allowed_places, seen_places }
}

describe('a change during another one', () => {
  test('loses neither, and the ledger has what each of them found', async () => {
    const user = await addUser()
    const by = interrupted(() => changeUser(user.guid, { group: 'first', claims: { a: 1 } }))
    expect(await changeUser(user.guid, { group: 'second', language: 'ru' }, by)).toMatchObject({
      group: 'second',
      claims: { a: 1 },
      language: 'ru',
    })
    expect((await actsOn(user.user_id)).slice(1)).toEqual([
      [
        'user_changed',
        {
          fields: ['group', 'claims'],
          from: { group: 'user' },
          to: { group: 'first' },
          claims: { added: ['a'], changed: [], removed: [] },
        },
      ],
      ['user_changed', { fields: ['group', 'language'], from: { group: 'first' }, to: { group: 'second' } }],
    ])
  })

  test.each([
    ['primary_email', { primary_email: 'new@example.com' }, { email: 'new@example.com' }],
    ['password', { password: OTHER_PASSWORD }, {}],
    ['group', { group: 'editors' }, { group: 'editors' }],
    ['active', { active: false }, { active: false }],
    ['confirmed', { confirmed: false }, { confirmed: false }],
    ['external_id', { external_id: 'x-1' }, { external_id: 'x-1' }],
    ['claims', { claims: { a: 1 } }, { claims: { a: 1 } }],
    ['language', { language: 'ru' }, { language: 'ru' }],
    ['time_zone', { time_zone: 'Europe/Berlin' }, { time_zone: 'Europe/Berlin' }],
  ])('of %s takes nothing of that back', async (field, change, shown) => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const by = interrupted(() => changeUser(user.guid, change))
    // Another field, so that both changes have something to do.
    const other = field === 'group' ? { language: 'ru' } : { group: 'second' }
    expect(await changeUser(user.guid, other, by)).toMatchObject({ ...shown, ...other })
    if (field === 'password') expect((await signInByJson(user.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('that did the same leaves nothing to do, and nothing to tell', async () => {
    const user = await addUser()
    const by = interrupted(() => changeUser(user.guid, { active: false }))
    expect(await changeUser(user.guid, { active: false }, by)).toMatchObject({ active: false })
    expect((await actsOn(user.user_id)).map(([action]) => action)).toEqual(['user_created', 'user_deactivated'])
    expect((await eventsOf(user.user_id)).map(({ type }) => type)).toEqual(['registered', 'deactivated'])
  })

  test('of the password by its owner is told in the order in which they were done', async () => {
    const mine = await registered()
    const guid = String((await userRow(mine.id))?.['guid'])
    const by = interrupted(() => changePassword(mine.access, GOOD_PASSWORD, 'a third password of its owner'))
    await changeUser(guid, { password: OTHER_PASSWORD }, by)
    expect((await signInByJson(mine.email, OTHER_PASSWORD)).status).toBe(200)
    expect(await userRow(mine.id)).toMatchObject({ credentials_version: 2 })
    expect(await kindsTo(mine.email)).toEqual(['confirm_address', 'password_changed', 'password_changed'])
  })

  test('of an account that its owner has just left does nothing', async () => {
    const mine = await registered()
    const guid = String((await userRow(mine.id))?.['guid'])
    const by = interrupted(() => leave(mine.access))
    expect(await answer(await admin('PATCH', `/users/${guid}`, { group: 'editors' }, by))).toEqual(NOT_FOUND)
    expect(await userRow(mine.id)).toMatchObject({ group: 'user' })
    expect(await actsOn(mine.id)).toEqual([])
  })

  test('takes no address and no external id that another account has just got', async () => {
    for (const [field, value] of Object.entries({ primary_email: 'wanted@example.com', external_id: 'wanted' })) {
      const user = await addUser()
      const by = interrupted(() => addUser({ [field]: value }))
      const errors = { [field]: ['is taken'] }
      expect(await answer(await admin('PATCH', `/users/${user.guid}`, { [field]: value, group: 'x' }, by))).toEqual(
        problem(409, 'Conflict', 'Already exists', 'already_exists', { errors }),
      )
      expect(await actsOn(user.user_id)).toHaveLength(1)
      expect(await kindsTo(user.email)).toEqual([])
    }
  })

  test('gives up after a while where the account changes all the time, and says that it is to be tried again', async () => {
    const user = await addUser()
    let times = 0
    const restless = changingAllTheTime(() => changeUser(user.guid, { group: `group ${(times += 1)}` }))
    const response = await admin('PATCH', `/users/${user.guid}`, { language: 'ru' }, restless)
    expect([response.status, response.headers.get('Retry-After'), times]).toEqual([503, '1', 4])
    expect(await userRow(user.user_id)).toMatchObject({ language: null, group: 'group 4' })
  })

  test('that has to come back has forgotten nothing of the account', async () => {
    const mine = await registered()
    const guid = String((await userRow(mine.id))?.['guid'])
    const next = `${crypto.randomUUID()}@example.com`
    await moveAddress(mine.access, mine.email, next)
    await signInByJson(next, 'wrong')
    const account = { id: mine.id, guid, email: next, group: 'user' }
    await insertPlace(env.DB, account, 'address:192.0.2.1', { createdAt: T0, expiresAt: T0 + 3600 })
    await insertSeenPlace(env.DB, account, 'address:192.0.2.1', T0)
    const before = await dumpKnown()
    for (const rows of Object.values(before)) expect(rows).not.toEqual([])

    let times = 0
    const restless = changingAllTheTime(() => changeUser(guid, { group: `group ${(times += 1)}` }))
    const response = await admin('PATCH', `/users/${guid}`, { password: OTHER_PASSWORD }, restless)
    expect(response.status).toBe(503)
    expect(await dumpKnown()).toEqual(before)
  })

  test('of many at once is in the ledger as often as it was done, each from where the one before left it', async () => {
    const user = await addUser()
    const statuses = await Promise.all(
      Array.from(
        { length: 8 },
        async (_, i) => (await admin('PATCH', `/users/${user.guid}`, { group: `g${i}` })).status,
      ),
    )
    const acts = (await actsOn(user.user_id))
      .slice(1)
      .map(([, facts]) => facts as { from: { group: string }; to: { group: string } })
    expect(acts).toHaveLength(statuses.filter((status) => status === 200).length)
    expect(acts.map(({ from }) => from.group)).toEqual(['user', ...acts.slice(0, -1).map(({ to }) => to.group)])
    expect((await userRow(user.user_id))?.['group']).toBe(acts.at(-1)?.to.group)
  })
})

async function close(user: UserAnswer) {
  expect(await changeUser(user.guid, { active: false })).toMatchObject({ active: false })
}

describe('an account that is closed', () => {
  test('while it is signed in to with the password gets no session', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const by = interrupted(() => close(user))
    expect((await signInByJson(user.email, GOOD_PASSWORD, by)).status).toBe(401)
    expect((await dumpTables(env.DB))['sessions']).toEqual([])
  })

  test('while it is refreshed gives no next pair', async () => {
    const user = await addUser()
    const { refresh } = await openByGuid(user.guid)
    const by = startWorker({ DB: interruptBefore(env.DB, 1, () => close(user)) })
    expect((await refreshByJson(refresh, {}, by)).status).toBe(401)
    await changeUser(user.guid, { active: true })
    expect((await refreshByJson(refresh)).status).toBe(401)
  })

  test('while sessions are opened and refreshed all over leaves none of them alive', async () => {
    const user = await addUser()
    const opened = await Promise.all(Array.from({ length: 6 }, () => openByGuid(user.guid)))
    const refreshed = opened.map(async ({ refresh }) => {
      const response = await refreshByJson(refresh)
      return response.status === 200 ? (await response.json<{ refresh: string }>()).refresh : refresh
    })
    const late = Array.from({ length: 6 }, async () => openByGuid(user.guid).catch(() => null))
    await close(user)
    const tokens = [
      ...(await Promise.all(refreshed)),
      ...(await Promise.all(late)).flatMap((one) => one?.refresh ?? []),
    ]
    // Opened again, so that it is the end of the sessions that is seen, and not the closed account.
    await changeUser(user.guid, { active: true })
    const statuses = await Promise.all(tokens.map(async (refresh) => (await refreshByJson(refresh)).status))
    expect(statuses).toEqual(tokens.map(() => 401))
    expect(await (await admin('GET', `/users/${user.guid}/sessions`)).json()).toEqual({ sessions: [] })
  })
})

describe('an account that is deleted', () => {
  test('while its owner changes the address is deleted all the same, and the new address is told', async () => {
    const user = await addUser()
    const next = `${crypto.randomUUID()}@example.com`
    // Whatever is known under the new address goes as well.
    await register(next)
    await signInByJson(next, 'wrong')
    const by = interrupted(() => changeUser(user.guid, { primary_email: next }))
    expect(await answer(await admin('DELETE', `/users/${user.guid}`, undefined, by))).toEqual(DONE)
    expect(await kindsTo(next)).toEqual(['confirm_address', 'account_left'])
    const { attempts, registrations } = await dumpTables(env.DB)
    expect([attempts, registrations]).toEqual([[], []])
    expect(await userRow(user.user_id)).toMatchObject({ primary_email: null })
    expect((await actsOn(user.user_id)).map(([action]) => action)).toEqual([
      'user_created',
      'user_changed',
      'user_deleted',
    ])
  })

  test('twice at once is deleted once', async () => {
    const user = await addUser()
    const statuses = await Promise.all(
      Array.from({ length: 5 }, async () => (await admin('DELETE', `/users/${user.guid}`)).status),
    )
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, 404, 404, 404, 404])
    expect(await kindsTo(user.email)).toEqual(['account_left'])
    expect((await actsOn(user.user_id)).map(([action]) => action)).toEqual(['user_created', 'user_deleted'])
    expect((await eventsOf(user.user_id)).map(({ type }) => type)).toEqual(['left'])
  })

  test('while it is signed in to gets no session', async () => {
    const user = await addUser({ password: GOOD_PASSWORD })
    const by = interrupted(() => admin('DELETE', `/users/${user.guid}`))
    expect((await signInByJson(user.email, GOOD_PASSWORD, by)).status).toBe(401)
    expect((await dumpTables(env.DB))['sessions']).toEqual([])
  })
})

test('of two operators who end one session, one did', async () => {
  const user = await addUser()
  const { sid } = await openByGuid(user.guid)
  const statuses = await Promise.all(
    Array.from({ length: 4 }, async () => (await admin('DELETE', `/users/${user.guid}/sessions/${sid}`)).status),
  )
  expect(statuses.toSorted((a, b) => a - b)).toEqual([204, 404, 404, 404])
  expect((await actsOn(user.user_id)).slice(1)).toEqual([['session_ended', { sid }]])
})
