/** A database of the version before `used_links`, with mails whose links are in use: after the migration each link is what it was. */

import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, expect, test } from 'vitest'

import { signLink } from '../../../src/domain/mails/links.ts'
import { createAccount, type TestAccount } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { DONE_PAGES, press, PURPOSES, read, tokens, USED_PAGE } from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { ELSEWHERE, HOME, ORIGIN } from '../../support/worker.ts'

const NEW = env.MIGRATIONS.findIndex(({ name }) => name.endsWith('_used-links.sql'))

stopClock()
keepLog('warn')

beforeEach(async () => {
  at(0)
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'",
  ).all<{ name: string }>()
  await env.DB.batch(results.map(({ name }) => env.DB.prepare(`DROP TABLE "${name}"`)))
  await applyD1Migrations(env.DB, env.MIGRATIONS.slice(0, NEW))
})

/** A mail as the version before stored it. */
async function insertMail(
  account: TestAccount,
  id: string,
  sessionsEndedAt: number | null,
  placeAllowedAt: number | null,
) {
  const place = { asn: null, country: null, city: null, network: null }
  const facts = {
    at: T0,
    client: { ...place, address: ELSEWHERE, userAgent: null },
    usual: { ...place, address: HOME },
    origin: ORIGIN,
  }
  await env.DB.prepare(
    `INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at, sent_at,
     sessions_ended_at, place_allowed_at) VALUES (?1, 'location_blocked', ?2, ?7, ?3, ?1, ?4, ?4, ?4, ?5, ?6)`,
  )
    .bind(id, account.id, JSON.stringify(facts), T0, sessionsEndedAt, placeAllowedAt, account.email)
    .run()
}

test('a used link stays used, an unused one works, and all that was stored of a mail is there', async () => {
  const account = await createAccount(env.DB)
  await insertMail(account, 'unused', null, null)
  await insertMail(account, 'ended', T0 + 1, null)
  await insertMail(account, 'allowed', null, T0 + 2)
  await insertMail(account, 'both', T0 + 4, T0 + 3)
  const columns = 'id, kind, user_id, recipient, facts, dedupe_key, created_at, attempts, due_at, sent_at'
  const mails = `SELECT ${columns} FROM notifications ORDER BY id`
  const before = await env.DB.prepare(mails).all()

  await applyD1Migrations(env.DB, env.MIGRATIONS)

  expect((await env.DB.prepare(mails).all()).results).toEqual(before.results)
  const used = await env.DB.prepare('SELECT * FROM used_links ORDER BY used_at').all()
  expect(used.results).toEqual([
    { notice_id: 'ended', purpose: 'end_sessions', used_at: T0 + 1 },
    { notice_id: 'allowed', purpose: 'allow_place', used_at: T0 + 2 },
    { notice_id: 'both', purpose: 'allow_place', used_at: T0 + 3 },
    { notice_id: 'both', purpose: 'end_sessions', used_at: T0 + 4 },
  ])
  const pages: Record<string, unknown> = {}
  for (const id of ['ended', 'allowed', 'both', 'unused']) {
    // *That was me* first: *end all my sessions* voids it.
    for (const purpose of PURPOSES.toReversed()) {
      const notice = { id, account: account.id, facts: { at: T0, origin: ORIGIN } } as Parameters<typeof signLink>[2]
      const url = await signLink({ tokens, settings: { publicUrl: ORIGIN, basePath: '' } }, purpose, notice)
      pages[`${id} ${purpose}`] = await read(await press(purpose, url.split('token=')[1] ?? ''))
    }
  }
  expect(pages).toEqual({
    'ended allow_place': USED_PAGE,
    'ended end_sessions': USED_PAGE,
    'allowed allow_place': USED_PAGE,
    'allowed end_sessions': DONE_PAGES.end_sessions,
    'both allow_place': USED_PAGE,
    'both end_sessions': USED_PAGE,
    'unused allow_place': DONE_PAGES.allow_place,
    'unused end_sessions': DONE_PAGES.end_sessions,
  })
})
