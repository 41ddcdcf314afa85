/** The end of an account and of its sessions, by operators: at once, told, and nothing of the owner left. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  GOOD_PASSWORD,
  kindsTo,
  mailsTo,
  moveAddress,
  pressPage,
  register,
  registered,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, GUID, insertPlace, insertSeenPlace } from '../../support/accounts.ts'
import { answer, DONE, malformed, NOT_FOUND, okJson, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, addUser, admin, changeUser, eventsOf } from '../../support/operators.ts'
import { bearer, refreshByJson, signInByJson } from '../../support/requests.ts'
import { endOf, LIVE, open, openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE, HOME, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

/** Asks for what cannot be done, and sees that nothing was written. */
async function refused(method: string, path: string) {
  const before = await dumpTables(env.DB)
  const response = await answer(await admin(method, path))
  expect(await dumpTables(env.DB)).toEqual(before)
  return response
}

describe('the sessions of an account', () => {
  test('are shown as their owner sees them, the last used one first, and none that ended', async () => {
    const account = await createAccount(env.DB)
    const first = await open(account, { cf: { city: 'Reykjavík', country: 'IS', asOrganization: 'Example Net' } })
    at(10)
    const second = await open(account, { ip: ELSEWHERE, headers: { 'User-Agent': 'curl/8.9.1' } })
    const ended = await open(account)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { refresh: ended.refresh } })
    at(20)
    await refreshByJson(first.refresh)

    const response = await admin('GET', `/users/${account.guid}/sessions`)
    const { sessions } = await response.clone().json<{ sessions: readonly { sid: string }[] }>()
    expect(sessions.map(({ sid }) => sid)).toEqual([first.sid, second.sid])
    const own = await worker.call('/auth/sessions', { headers: bearer(second.access), ip: ELSEWHERE })
    const listed = (await own.json<Record<string, unknown>[]>()).map(({ current: _current, ...session }) => session)
    expect(await answer(response)).toEqual(okJson({ sessions: listed }))
    expect(listed).toHaveLength(2)
  })

  test('are none of an account that has none, or was closed', async () => {
    const user = await addUser()
    expect(await answer(await admin('GET', `/users/${user.guid}/sessions`))).toEqual(okJson({ sessions: [] }))
    await openByGuid(user.guid)
    await changeUser(user.guid, { active: false })
    expect(await answer(await admin('GET', `/users/${user.guid}/sessions`))).toEqual(okJson({ sessions: [] }))
  })

  test('end all at once, the one that its owner had kept, too', async () => {
    const account = await createAccount(env.DB)
    const [kept, other] = [await open(account), await open(account)]
    await worker.call('/auth/sessions', { method: 'DELETE', headers: bearer(kept.access) })
    at(7)
    expect(await answer(await admin('DELETE', `/users/${account.guid}/sessions`))).toEqual(DONE)
    for (const { refresh } of [kept, other]) expect(await answer(await refreshByJson(refresh))).toEqual(USED)
    // Its owner may sign in again at once.
    expect((await signInByJson(account.email)).status).toBe(200)
    expect(await actsOn(account.id)).toEqual([['sessions_ended', {}]])
    expect((await eventsOf(account.id)).filter(({ reason }) => reason === 'operator')).toEqual([
      { type: 'sessions_ended', reason: 'operator', sid: null, facts: '{}', ended_before: T0 + 7, due_at: null },
    ])
  })

  test('end one by one', async () => {
    const account = await createAccount(env.DB)
    const [one, other] = [await open(account), await open(account)]
    at(7)
    expect(await answer(await admin('DELETE', `/users/${account.guid}/sessions/${one.sid}`))).toEqual(DONE)
    expect(await answer(await refreshByJson(one.refresh))).toEqual(USED)
    expect(await endOf(one.sid)).toEqual({ revoked_at: T0 + 7, revoked_reason: 'operator' })
    expect((await refreshByJson(other.refresh)).status).toBe(200)
    expect(await actsOn(account.id)).toEqual([['session_ended', { sid: one.sid }]])
    // The row of the session says it: an event of its own is for those who follow.
    expect(await eventsOf(account.id)).toEqual([])
    // It is over: there is nothing to end a second time.
    expect(await refused('DELETE', `/users/${account.guid}/sessions/${one.sid}`)).toEqual(NOT_FOUND)
  })

  test('are ended under the name of their own account alone, and while they live', async () => {
    const [mine, theirs] = [await open(), await open()]
    expect(await refused('DELETE', `/users/${mine.guid}/sessions/${theirs.sid}`)).toEqual(NOT_FOUND)
    expect(await refused('DELETE', `/users/${mine.guid}/sessions/x`)).toEqual(NOT_FOUND)
    at(10 * DAY_SECONDS)
    expect(await refused('DELETE', `/users/${mine.guid}/sessions/${mine.sid}`)).toEqual(NOT_FOUND)
    expect(await endOf(theirs.sid)).toEqual(LIVE)
  })
})

describe('an account that is deleted', () => {
  test('leaves nothing behind but its guid, and its owner is told', async () => {
    const mine = await registered()
    const guid = String((await userRow(mine.id))?.['guid'])
    await changeUser(guid, { external_id: 'crm-9', claims: { plan: 'pro' }, group: 'editors' })
    await register(mine.email)
    await signInByJson(mine.email, 'wrong')
    const account = { id: mine.id, guid, email: mine.email, group: 'editors' }
    await insertPlace(env.DB, account, 'country:NZ', { createdAt: T0, expiresAt: T0 + DAY_SECONDS })
    await insertSeenPlace(env.DB, account, 'NZ/AS64511', T0)
    at(30)
    expect(await answer(await admin('DELETE', `/users/${guid}`))).toEqual(DONE)

    expect(await userRow(mine.id)).toEqual({
      id: mine.id,
      guid,
      primary_email: null,
      password_hash: null,
      group: 'user',
      is_active: 0,
      confirmed_at: null,
      failed_sign_ins: 0,
      locked_until: null,
      ended_before: T0 + 30,
      ended_except: null,
      credentials_version: 1,
      language: null,
      time_zone: null,
      left_at: T0 + 30,
      created_at: T0,
      updated_at: T0 + 30,
      external_id: null,
      own_claims: null,
    })
    const tables = await dumpTables(env.DB)
    for (const name of ['sessions', 'allowed_places', 'seen_places', 'address_changes']) {
      expect(tables[name]?.filter((row) => row['user_id'] === mine.id)).toEqual([])
    }
    expect(tables['registrations']?.filter((row) => row['email'] === mine.email)).toEqual([])
    expect(tables['attempts']).toEqual([])
    expect((await refreshByJson(mine.refresh)).status).toBe(401)
    const told = (await mailsTo(mine.email)).find(({ kind }) => kind === 'account_left')
    expect(JSON.parse(String(told?.['facts']))).toMatchObject({ by: 'operator', at: T0 + 30 })
    expect((await actsOn(mine.id)).at(-1)).toEqual(['user_deleted', {}])
    expect((await eventsOf(mine.id)).at(-1)).toMatchObject({ type: 'left', reason: 'operator' })
  })

  test('opens no session any more, gives its guid to nobody, and its address to whoever wants it', async () => {
    const user = await addUser({ password: GOOD_PASSWORD, external_id: 'crm-10' })
    await admin('DELETE', `/users/${user.guid}`)
    expect((await worker.call(`/${user.guid}`)).status).toBe(401)
    expect((await admin('POST', '/users', { guid: user.guid })).status).toBe(409)
    expect(await addUser({ primary_email: user.email, external_id: 'crm-10' })).toMatchObject({ email: user.email })
    expect(await kindsTo(user.email)).toEqual(['account_left'])
  })

  test('cannot be brought back by the link of a former address', async () => {
    const mine = await registered()
    const guid = String((await userRow(mine.id))?.['guid'])
    const undo = await moveAddress(mine.access, mine.email, `${crypto.randomUUID()}@example.com`)
    await admin('DELETE', `/users/${guid}`)
    expect((await pressPage('/links/undo-email', { token: undo })).status).toBe(401)
  })

  test('without an address tells nobody', async () => {
    const { guid } = await openByGuid()
    const { notifications } = await dumpTables(env.DB)
    expect(await answer(await admin('DELETE', `/users/${guid}`))).toEqual(DONE)
    expect((await dumpTables(env.DB))['notifications']).toEqual(notifications)
  })
})

test.each([
  ['DELETE', ''],
  ['GET', '/sessions'],
  ['DELETE', '/sessions'],
  ['DELETE', '/sessions/5a0c1b4e-0000-4000-8000-000000000000'],
])('%s of an unknown account, of one that was deleted, and of what is no guid (%s)', async (method, path) => {
  const user = await addUser()
  await admin('DELETE', `/users/${user.guid}`)
  for (const guid of [GUID, user.guid]) expect(await refused(method, `/users/${guid}${path}`)).toEqual(NOT_FOUND)
  expect(await refused(method, `/users/12${path}`)).toEqual(malformed({ guid: ['Invalid GUID'] }))
})

test('the ledger has the connection of the operator, whomever the headers name', async () => {
  const user = await addUser()
  const { SERVICE } = await import('../../support/requests.ts')
  const options = {
    ip: ELSEWHERE,
    headers: { ...SERVICE, 'Tessera-Client-IP': HOME, 'User-Agent': 'panel/1' },
    cf: { asn: 64_511 },
  }
  await admin('DELETE', `/users/${user.guid}/sessions`, undefined, undefined, options)
  const { audit } = await dumpTables(env.DB)
  expect(audit?.at(-1)).toMatchObject({ actor: 'service', ip: ELSEWHERE, asn: 64_511, user_agent: 'panel/1' })
})
