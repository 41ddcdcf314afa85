/**
 * A database of the version before a refresh wrote one row: after the migration its rows mean what they meant. They are written
 * here as that version wrote them, and judged by this one.
 */

import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { testKeys } from '../../support/forge.ts'
import { openMailbox } from '../../support/mailbox.ts'
import { purgeAll } from '../../support/purge.ts'
import { post } from '../../support/requests.ts'
import { ELSEWHERE, HOME, ORIGIN } from '../../support/worker.ts'
import { GUID } from '../../support/accounts.ts'

const NEW = env.MIGRATIONS.findIndex(({ name }) => name.endsWith('_one-row-a-refresh.sql'))
const TTL_SECONDS = 10 * DAY_SECONDS

interface OldSession {
  readonly sid: string
  readonly jti: string
  readonly issued_at: number
  readonly previous_jti?: string
  readonly rotated_at?: number
  readonly expires_at: number
  readonly created_at: number
  readonly revoked_at?: number
  readonly revoked_reason?: string
  readonly visit_ip?: string
}

const opened = { issued_at: T0 - 3600, expires_at: T0 - 3600 + TTL_SECONDS, created_at: T0 - 3600 }
const rotated = { ...opened, created_at: T0 - 7200, rotated_at: opened.issued_at }
const reused = { revoked_at: T0 - 60, revoked_reason: 'reuse' }
const LIVE: readonly OldSession[] = [
  { sid: 'opened', jti: 'o1', ...opened },
  { sid: 'refreshed', jti: 'r2', previous_jti: 'r1', ...rotated },
  { sid: 'visiting', jti: 'v2', previous_jti: 'v1', visit_ip: ELSEWHERE, ...rotated },
]
// An end brought the expiry of a row forward, but for one whose used tokens may still be presented.
const ENDED: readonly OldSession[] = [
  { sid: 'signed-out', jti: 's1', ...opened, expires_at: T0 - 60, revoked_at: T0 - 60, revoked_reason: 'signed_out' },
  { sid: 'revoked', jti: 'k2', previous_jti: 'k1', ...rotated, revoked_at: T0 - 60, revoked_reason: 'revoked' },
  { sid: 'reused', jti: 'u2', previous_jti: 'u1', ...rotated, expires_at: T0 - 60, ...reused },
  { sid: 'expired', jti: 'e1', issued_at: T0 - TTL_SECONDS, expires_at: T0, created_at: T0 - TTL_SECONDS },
]

stopClock()

beforeEach(async () => {
  await dropTables()
  await applyD1Migrations(env.DB, env.MIGRATIONS.slice(0, NEW))
  const account = { id: 1, guid: GUID, primary_email: 'owner@example.com', group: 'user', is_active: 1 }
  await insert('users', { ...account, confirmed_at: T0 - 9000, created_at: T0 - 9000, updated_at: T0 - 9000 })
  for (const session of [...LIVE, ...ENDED]) await insert('sessions', { user_id: 1, ip: HOME, ...session })
  const place = { user_id: 1, place: `address:${ELSEWHERE}/32` }
  await insert('allowed_places', { ...place, created_at: T0 - 3600, expires_at: T0 + DAY_SECONDS })
  const client = { address: ELSEWHERE, asn: null, country: null, city: null, network: null, userAgent: null }
  const facts = JSON.stringify({ at: T0 - 60, client, origin: ORIGIN, usual: null })
  const mail = { kind: 'token_reused', user_id: 1, recipient: 'owner@example.com', facts, created_at: T0 - 3600 }
  await insert('notifications', { id: 'unsent', dedupe_key: 'token_reused:reused', due_at: T0 - 60, ...mail })
  await insert('notifications', { id: 'sent', dedupe_key: 'a', due_at: T0 - 60, sent_at: T0 - 60, ...mail })

  const before = await env.DB.prepare('SELECT rowid, * FROM sessions').all()
  await applyD1Migrations(env.DB, env.MIGRATIONS)
  // None of them is bound to a key, which that version did not know.
  const unbound = { bound_key: null, bound_by: null, bound_proof: null }
  const after = await env.DB.prepare('SELECT rowid, * FROM sessions').all()
  expect(after.results).toEqual(before.results.map((row) => ({ ...row, ...unbound })))
})

/** As if nothing had ever been migrated. */
async function dropTables(): Promise<void> {
  const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>()
  const ours = tables.results.filter(({ name }) => !/^(sqlite|_cf)_/.test(name))
  await env.DB.batch(ours.map(({ name }) => env.DB.prepare(`DROP TABLE ${name}`)))
}

async function insert(table: string, row: object): Promise<void> {
  const columns = Object.keys(row)
  await env.DB.prepare(
    `INSERT INTO ${table} (${columns.map((name) => `"${name}"`).join()}) VALUES (${columns.map(() => '?').join()})`,
  )
    .bind(...Object.values(row))
    .run()
}

/** Presents the refresh token that this `jti` was signed into. */
async function refresh({ sid, issued_at: iat }: OldSession, jti: string, ip = HOME): Promise<Response> {
  const shared = { iss: ORIGIN, sub: GUID, id: 1, guid: GUID, sid, jti, iat, exp: iat + TTL_SECONDS, ip: HOME }
  const token = await createTokens(testKeys).sign({ ...shared, token_type: 'refresh' })
  return post('/auth/token/refresh', { refresh: token }, { ip })
}

async function isStored({ sid }: OldSession): Promise<boolean> {
  return (await env.DB.prepare('SELECT 1 FROM sessions WHERE sid = ?').bind(sid).first()) !== null
}

/** Whether each of these sessions is still there, by `sid`. */
async function stored(sessions: readonly OldSession[]): Promise<readonly (readonly [string, boolean])[]> {
  return Promise.all(sessions.map(async (session) => [session.sid, await isStored(session)] as const))
}

describe('in a migrated database', () => {
  test.each(LIVE)('a session that lived goes on: $sid', async (session) => {
    const first = await refresh(session, session.jti)
    expect(first.status).toBe(200)
    const next = await post('/auth/token/refresh', { refresh: (await first.json<{ refresh: string }>()).refresh })
    expect(next.status).toBe(200)
  })

  test('a place that was allowed is one', async () => {
    const [session] = LIVE
    if (session === undefined) throw new RangeError('no session')
    expect((await refresh(session, session.jti, ELSEWHERE)).status).toBe(200)
  })

  test.each(ENDED)('a session that was over is: $sid', async (session) => {
    expect((await refresh(session, session.jti)).status).toBe(401)
  })

  test('a token that was used before shows as reused, of a live session and of an ended one', async () => {
    const sids = ['refreshed', 'revoked']
    for (const session of [...LIVE, ...ENDED].filter(({ sid }) => sids.includes(sid))) {
      expect((await refresh(session, session.previous_jti ?? '')).status).toBe(401)
    }
    const mails = await env.DB.prepare('SELECT dedupe_key FROM notifications WHERE created_at = ? ORDER BY dedupe_key')
      .bind(T0)
      .all()
    expect(mails.results.map(({ dedupe_key: key }) => key)).toEqual(sids.map((sid) => `token_reused:${sid}`))
  })

  test('a mail that was due is sent, and no other', async () => {
    const mailbox = openMailbox()
    await mailbox.scheduled()
    expect(await mailbox.settled({ id: 'unsent' }, 1)).toEqual(['ack'])
    expect(mailbox.mails).toHaveLength(1)
  })

  test('the purge takes what had ended, a day after, and leaves what lives and what shows reuse', async () => {
    at(DAY_SECONDS)
    await purgeAll()
    expect(await stored([...LIVE, ...ENDED])).toEqual([
      ['opened', true],
      ['refreshed', true],
      ['visiting', true],
      ['signed-out', false],
      ['revoked', true],
      ['reused', false],
      ['expired', false],
    ])
  })
})
