/**
 * The buttons of the pages behind the links of a mail: whoever presses one does it once, whatever else is pressed at that
 * moment.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { LINKS } from '../../../src/domain/mails/links.ts'
import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken, forge, testKeys } from '../../support/forge.ts'
import {
  block,
  brokenPage,
  DONE_PAGES,
  press,
  PURPOSES,
  read,
  refreshFrom,
  show,
  signIn,
  USED_PAGE,
} from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { ELSEWHERE, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('pressing the button', () => {
  test.each(PURPOSES)('of %s works once; then the page says so', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    at(60)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
    const session = await signIn(account)
    await env.DB.prepare('DELETE FROM allowed_places').run()
    const before = await dumpTables(env.DB)

    // In the same second and later.
    for (const seconds of [60, 61, DAY_SECONDS - 1]) {
      at(seconds)
      expect(await read(await press(purpose, links[purpose]))).toEqual(USED_PAGE)
      expect(await read(await show(purpose, links[purpose]))).toEqual(USED_PAGE)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refreshFrom(session)).status).toBe(200)
  })

  test.each(PURPOSES)('of %s eight times at once does it once', async (purpose) => {
    const links = await block(await createAccount(env.DB))
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await press(purpose, links[purpose])).status),
    )

    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 401, 401, 401, 401, 401, 401, 401])
  })

  test.each(PURPOSES)('of %s works in a mail of an earlier version, whose links name no account', async (purpose) => {
    const { header, payload } = decodeToken((await block(await createAccount(env.DB)))[purpose])
    const token = await forge(header, { ...payload, account: undefined }, testKeys.link.signing)

    expect(await read(await press(purpose, token))).toEqual(DONE_PAGES[purpose])
    expect(await read(await press(purpose, token))).toEqual(USED_PAGE)
  })

  test('of allow_place leaves end_sessions to be used', async () => {
    const links = await block(await createAccount(env.DB))

    expect(await read(await press('allow_place', links.allow_place))).toEqual(DONE_PAGES.allow_place)
    expect((await show('end_sessions', links.end_sessions)).status).toBe(200)
    expect(await read(await press('end_sessions', links.end_sessions))).toEqual(DONE_PAGES.end_sessions)
  })

  test('of end_sessions voids the other link of that mail, and no other mail', async () => {
    const account = await createAccount(env.DB)
    const [links, later] = [await block(account), await block(account)]
    await press('end_sessions', links.end_sessions)
    const before = await dumpTables(env.DB)

    expect(await read(await show('allow_place', links.allow_place))).toEqual(USED_PAGE)
    expect(await read(await press('allow_place', links.allow_place))).toEqual(USED_PAGE)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await press('allow_place', later.allow_place)).status).toBe(200)
  })

  test('of both links at once ends everything, and whatever was allowed is taken back or was not', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await signIn(account)
    const [ended] = await Promise.all([
      press('end_sessions', links.end_sessions),
      press('allow_place', links.allow_place),
    ])

    expect(ended.status).toBe(200)
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
    expect((await refreshFrom(session)).status).toBe(401)
  })

  test('of allow_place allows nothing when its page said less than it would do today, and the link stays good', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const wide = startWorker({ LOCATION_POLICY: 'country' })
    const before = await dumpTables(env.DB)
    const seen = await (await show('allow_place', links.allow_place)).text()
    const fields = [...seen.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value])
    const pressed = (by: TestWorker) =>
      by.call(LINKS.allow_place.path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      })

    expect(await read(await pressed(wide))).toEqual(brokenPage(401))
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await pressed(worker)).status).toBe(303)
  })

  test('of allow_place allows nothing when end_sessions was pressed while it was being carried out', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const slow = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (name !== 'batch') return typeof member === 'function' ? member.bind(target) : member
        return async (statements: D1PreparedStatement[]) => {
          expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
          return target.batch(statements)
        }
      },
    })

    const late = await press('allow_place', links.allow_place, { former: true }, startWorker({ DB: slow }))
    expect(await read(late)).toEqual(USED_PAGE)
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
  })

  test('of end_sessions takes back what that account had allowed, and nothing of another', async () => {
    const [account, stranger] = [await createAccount(env.DB), await createAccount(env.DB)]
    for (const owner of [account, stranger]) await press('allow_place', (await block(owner)).allow_place)
    await press('end_sessions', (await block(account, { ip: '192.0.2.1' })).end_sessions)

    const { allowed_places: left } = await dumpTables(env.DB)
    expect(left?.map((row) => row['user_id'])).toEqual([stranger.id])
  })

  test('of end_sessions ends every session of that account, and of no other', async () => {
    const account = await createAccount(env.DB)
    const stranger = await createAccount(env.DB)
    const links = await block(account)
    const [one, two] = [await signIn(account), await signIn(account, { ip: ELSEWHERE })]
    const foreign = await signIn(stranger)
    at(60)
    await press('end_sessions', links.end_sessions)

    // One row says it of all of them.
    const rows = await env.DB.prepare('SELECT id, ended_before, ended_except FROM users ORDER BY id').all()
    expect(rows.results).toEqual([
      { id: account.id, ended_before: T0 + 60, ended_except: null },
      { id: stranger.id, ended_before: null, ended_except: null },
    ])
    expect((await refreshFrom(one)).status).toBe(401)
    expect((await refreshFrom(two, { ip: ELSEWHERE })).status).toBe(401)
    expect((await refreshFrom(foreign)).status).toBe(200)
    expect((await refreshFrom(await signIn(account))).status).toBe(200)
  })

  test('of end_sessions ends the session, too, that had ended all others: it may have been a thief', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const thief = await signIn(account)
    const { access_token } = thief
    expect((await worker.call('/auth/sessions', { method: 'DELETE', cookies: { access_token } })).status).toBe(204)
    expect((await worker.call('/auth/me', { cookies: { access_token } })).status).toBe(200)

    expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
    expect((await worker.call('/auth/me', { cookies: { access_token } })).status).toBe(401)
    expect((await refreshFrom(thief)).status).toBe(401)
  })

  test('of allow_place ends no session and opens none', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    await signIn(account)
    const { sessions: before } = await dumpTables(env.DB)
    await press('allow_place', links.allow_place)

    expect((await dumpTables(env.DB))['sessions']).toEqual(before)
  })

  test.each(PURPOSES)('of %s on a page of another site is forbidden, and the link stays good', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    await signIn(account)
    const before = await dumpTables(env.DB)
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'cross-site' }

    expect(await read(await press(purpose, links[purpose], { headers }))).toEqual(brokenPage(403))
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })

  test.each(PURPOSES)(
    'of %s in a request without Sec-Fetch-Site or address works: not every client has them',
    async (p) => {
      const links = await block(await createAccount(env.DB))

      expect(await read(await press(p, links[p], { ip: null }))).toEqual(DONE_PAGES[p])
    },
  )
})
