/** An operator gives an account back to its owner: what somebody else had of it, or of its former state, does nothing any more. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changePassword,
  GOOD_PASSWORD,
  linkTo,
  moveAddress,
  OTHER_PASSWORD,
  pressPage,
  registered,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, HASHES, insertPlace, insertSeenPlace } from '../../support/accounts.ts'
import { answer, malformed } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, addUser, admin, changeUser } from '../../support/operators.ts'
import { refreshByJson, signInByJson } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE } from '../../support/worker.ts'

stopClock()
keepLog('warn')

async function guidOf(id: number): Promise<string> {
  return String((await userRow(id))?.['guid'])
}

/** How many rows a table has of an account. */
async function rowsOf(table: string, userId: number): Promise<number> {
  const rows = (await dumpTables(env.DB))[table] ?? []
  return rows.filter((row) => row['user_id'] === userId).length
}

/** Its owner has moved it to another address, and the former one may take that back. */
async function moved(mine: Awaited<ReturnType<typeof registered>>) {
  const next = `${crypto.randomUUID()}@example.com`
  return { next, undo: await moveAddress(mine.access, mine.email, next) }
}

describe('the link that takes a change of address back', () => {
  test.each([
    ['a new password', [{ password: OTHER_PASSWORD }]],
    ['the hash of another one', [{ password_hash: HASHES.current }]],
    ['a closing, while it is closed', [{ active: false }]],
  ])('is void after %s by an operator', async (_name, changes) => {
    const mine = await registered()
    const { next, undo } = await moved(mine)
    for (const change of changes) await changeUser(await guidOf(mine.id), change)

    expect((await pressPage('/links/undo-email', { token: undo })).status).toBe(401)
    expect((await userRow(mine.id))?.['primary_email']).toBe(next)
  })

  test('works after what concerns neither', async () => {
    const mine = await registered()
    const { undo } = await moved(mine)
    await changeUser(await guidOf(mine.id), { group: 'editors' })

    expect((await pressPage('/links/undo-email', { token: undo })).status).toBe(303)
    expect((await userRow(mine.id))?.['primary_email']).toBe(mine.email)
  })
})

describe('the links of a mail about a session', () => {
  test('do nothing from a mailbox that the account has no more', async () => {
    const mine = await registered()
    const guid = await guidOf(mine.id)
    expect((await refreshByJson(mine.refresh, { ip: ELSEWHERE })).status).toBe(401)
    const allow = await linkTo(mine.email, 'location_blocked', 'allow_place')
    const end = await linkTo(mine.email, 'location_blocked', 'end_sessions')
    await changeUser(guid, { primary_email: `${crypto.randomUUID()}@example.com` })
    const { refresh } = await openByGuid(guid)

    expect((await pressPage('/links/allow-place', { token: allow })).status).toBe(401)
    expect(await rowsOf('allowed_places', mine.id)).toBe(0)
    expect((await pressPage('/links/end-sessions', { token: end })).status).toBe(401)
    expect((await refreshByJson(refresh)).status).toBe(200)
  })
})

describe('places', () => {
  test.each([
    ['a new password', { password: OTHER_PASSWORD }, 0],
    ['another address', { primary_email: `${crypto.randomUUID()}@example.com` }, 0],
    ['another group', { group: 'editors' }, 1],
  ])('that counted as the owner’s, after %s: %#', async (_name, change, left) => {
    const account = await createAccount(env.DB)
    await insertPlace(env.DB, account, 'country:NZ', { createdAt: T0, expiresAt: T0 + 1000 })
    await insertSeenPlace(env.DB, account, 'NZ/AS64500', T0)
    const other = await createAccount(env.DB)
    await insertPlace(env.DB, other, 'country:NZ', { createdAt: T0, expiresAt: T0 + 1000 })
    await changeUser(account.guid, change)

    expect(await rowsOf('allowed_places', account.id)).toBe(left)
    expect(await rowsOf('seen_places', account.id)).toBe(left)
    expect(await rowsOf('allowed_places', other.id)).toBe(1)
  })
})

describe('sessions', () => {
  test('that an owner had kept end with the account as well, and stay ended once it is open again', async () => {
    const mine = await registered()
    await changePassword(mine.access, GOOD_PASSWORD, OTHER_PASSWORD)
    expect((await userRow(mine.id))?.['ended_except']).not.toBe(null)
    const guid = await guidOf(mine.id)
    await changeUser(guid, { active: false })
    await changeUser(guid, { active: true })

    expect((await refreshByJson(mine.refresh)).status).toBe(401)
    expect((await signInByJson(mine.email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('of an account that SQL had closed do not come back when an operator opens it', async () => {
    const { guid, refresh } = await openByGuid()
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(guid).run()
    await changeUser(guid, { active: true })

    expect((await refreshByJson(refresh)).status).toBe(401)
    expect((await refreshByJson((await openByGuid(guid)).refresh)).status).toBe(200)
  })
})

describe('the ledger', () => {
  test('tells what was taken away from what was given, and which claims', async () => {
    const user = await addUser({
      password: GOOD_PASSWORD,
      external_id: 'ours-1',
      claims: { tenant: 'acme', roles: ['a'] },
    })
    await changeUser(user.guid, { password: OTHER_PASSWORD, claims: { roles: ['a', 'b'], plan: 'pro' } })
    await changeUser(user.guid, { password: null, external_id: null, claims: null })

    expect((await actsOn(user.user_id)).slice(1)).toEqual([
      [
        'user_changed',
        { fields: ['password', 'claims'], claims: { added: ['plan'], changed: ['roles'], removed: ['tenant'] } },
      ],
      [
        'user_changed',
        {
          fields: ['password', 'claims', 'external_id'],
          removed: ['password', 'external_id'],
          claims: { added: [], changed: [], removed: ['roles', 'plan'] },
        },
      ],
    ])
  })
})

describe('what says two things', () => {
  test.each([null, GOOD_PASSWORD])('is refused: a password (%j) beside a hash', async (password) => {
    const user = await addUser()
    const json = { password, password_hash: HASHES.current }
    const refused = malformed({ password_hash: ['must not come beside a password'] })
    expect(await answer(await admin('PATCH', `/users/${user.guid}`, json))).toEqual(refused)
    expect((await userRow(user.user_id))?.['password_hash']).toBe(null)
  })
})

describe('an external id', () => {
  test('is one in each of its spellings', async () => {
    const user = await addUser({ external_id: 'cafe\u0301' })
    expect(user['external_id']).toBe('caf\u00e9')
    expect((await admin('POST', '/users', { external_id: 'caf\u00e9' })).status).toBe(409)
    const found = await admin('GET', `/users?external_id=${encodeURIComponent('cafe\u0301')}`)
    expect((await found.json<{ users: { guid: string }[] }>()).users.map(({ guid }) => guid)).toEqual([user.guid])
  })

  test.each([' ', ' x', 'x ', 'x\u2028y', 'x\u2029y', '\u00a0x'])('is not %j', async (external_id) => {
    expect((await admin('POST', '/users', { external_id })).status).toBe(400)
  })
})
