/** The ledger while everything happens that can: its rows stay as they were, to the byte, until their retention ends. */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { GOOD_PASSWORD, leave, registered } from '../../support/account-life.ts'
import { createAccount, emptyTables } from '../../support/accounts.ts'
import { DAY_SECONDS, setClock } from '../../support/clock.ts'
import { everyOperation } from '../../support/every-operation.ts'
import { openMailbox } from '../../support/mailbox.ts'
import { actsOn, addUser, admin, changeUser } from '../../support/operators.ts'
import { purgeAll } from '../../support/purge.ts'
import { SERVICE } from '../../support/requests.ts'
import { startWorker, type TestWorker } from '../../support/worker.ts'

const AUDIT_SECONDS = 400 * DAY_SECONDS

beforeEach(() => emptyTables(env.DB))
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

type Rows = readonly Readonly<Record<string, unknown>>[]

async function rows(): Promise<Rows> {
  return (await env.DB.prepare('SELECT rowid AS place, * FROM audit ORDER BY id').all()).results
}

/** Sees after each step that what was there is there as it was, and only more of it. */
function watch() {
  let before: Rows = []
  return async (what: string) => {
    const now = await rows()
    expect(now.slice(0, before.length), what).toEqual(before)
    before = now
  }
}

/** Acts of all kinds, about accounts that are there and are not, by all sorts of keys, the oldest a second before its end. */
async function fillLedger(): Promise<void> {
  const { id } = await createAccount(env.DB)
  const now = Math.floor(Date.now() / 1000)
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
     INSERT INTO audit (at, actor, action, user_id, facts, ip, user_agent)
     SELECT ?1 - (40 - i) * 864000 - 1, 'key' || (i % 3), 'user_changed', iif(i % 4 = 0, NULL, ?2 + i % 4 - 1), json_object('i', i), '192.0.2.1', 'x'
     FROM n`,
  )
    .bind(now, id)
    .run()
}

test(
  'no operation over HTTP, no mail and no run of the cron changes a row or takes one away',
  { timeout: 60_000 },
  async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    setClock(1_800_000_000)
    await fillLedger()
    const stays = watch()
    await stays('at first')
    const box = openMailbox()
    const worker: TestWorker = startWorker({ EMAIL: box.bindings.EMAIL })

    const asked = new Set<string>()
    const { router } = createApp()
    /** Which route a request meets. */
    const note = (method: string, path: string) => {
      const [route] = router
        .match(method, path.split('?')[0] ?? '')[0]
        .flatMap(([[, one]]) => (one.method === method ? [one] : []))
      if (route !== undefined) asked.add(`${route.method} ${route.path}`)
    }
    const noting: TestWorker = {
      ...worker,
      call(path, options = {}) {
        note(options.method ?? 'GET', path)
        return worker.call(path, options)
      },
    }
    await everyOperation(noting, async (name, operation) => {
      const response = await operation()
      await stays(name)
      return response
    })

    // Whatever was not asked for yet, by an operator and by a stranger, about an account that the ledger names.
    const { guid } = await createAccount(env.DB)
    const routes = createApp().routes.filter(({ method }) => method !== 'ALL')
    for (const { method, path } of routes) {
      if (asked.has(`${method} ${path}`)) continue
      const target = path.replace(/:guid/, guid).replace(/:\w+(\{.*\})?/g, '1')
      const bodies = method === 'GET' || method === 'DELETE' ? [undefined] : [{}, { token: 'x' }]
      for (const json of bodies) {
        for (const headers of [SERVICE, {}]) {
          await noting.call(target, { method, headers, ...(json !== undefined && { json }) })
          await stays(`${method} ${target}`)
        }
      }
    }
    expect(routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !asked.has(route))).toEqual([])

    // Runs of the cron all over a day, and a purge of all that there is.
    for (let run = 0; run < 288; run += 24) {
      await worker.scheduled(1_800_000_000 + 300 * run)
      await stays(`run ${run} of a day`)
    }
    await purgeAll()
    await stays('the purge')
    expect((await rows()).length).toBeGreaterThan(50)
  },
)

test(
  'a row leaves when its retention ends, not a second before, and takes no other along',
  { timeout: 60_000 },
  async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    setClock(1_800_000_000)
    await fillLedger()
    for (const row of await rows()) {
      const [before, [at]] = [await rows(), [Number(row['at'])]]
      setClock(at + AUDIT_SECONDS - 1)
      await purgeAll()
      expect(await rows()).toEqual(before)
      setClock(at + AUDIT_SECONDS)
      await purgeAll()
      expect(await rows()).toEqual(before.slice(1))
    }
    expect(await rows()).toEqual([])
  },
)

test('what the ledger says of an account stays when its owner leaves, or an operator deletes it, and is nothing personal', async () => {
  vi.spyOn(console, 'warn').mockReturnValue()
  const owner = await registered('jane.doe@example.com')
  const guid = String(await env.DB.prepare('SELECT guid FROM users WHERE id = ?').bind(owner.id).first('guid'))
  const imported = { primary_email: 'john.doe@example.com', external_id: 'john-doe', language: 'ru' }
  const other = await addUser(imported)
  for (const { guid: one } of [{ guid }, other]) {
    await changeUser(one, { primary_email: `new.${one}@doe.example`, group: 'editors', time_zone: 'Europe/Kyiv' })
    await changeUser(one, { password: GOOD_PASSWORD })
    await admin('POST', '/mails', { kind: 'reset_password', primary_email: `new.${one}@doe.example` })
  }
  const before = await rows()
  expect(before.length).toBeGreaterThanOrEqual(7)
  const { access } = await (
    await startWorker().call('/auth/token', {
      method: 'POST',
      json: { primary_email: `new.${guid}@doe.example`, password: GOOD_PASSWORD },
    })
  ).json<{ access: string }>()
  expect((await leave(access)).status).toBe(204)
  expect((await admin('DELETE', `/users/${other.guid}`)).status).toBe(204)
  await purgeAll()

  const after = await rows()
  expect(after.slice(0, before.length)).toEqual(before)
  expect((await actsOn(other.user_id)).at(-1)?.[0]).toBe('user_deleted')
  expect(JSON.stringify(after)).not.toMatch(/@|doe|argon2|Kyiv/i)
})
