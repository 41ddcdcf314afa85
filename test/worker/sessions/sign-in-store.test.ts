/** What a sign-in may find changed between the password that was verified and the session that it opens. */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { createAccountStore } from '../../../src/db/accounts.ts'
import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createAccount } from '../../support/accounts.ts'
import { HOME } from '../../support/worker.ts'

const CLIENT = { address: HOME, asn: null, country: null, city: null, provider: null, userAgent: null }

const OPENED = { now: 1, expiresAt: 2, client: CLIENT, replacedSids: [], sessionsMax: 1 }

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
  expect(await store.openForPassword(verified, null, old)).toBe(true)
  const readHash = () => env.DB.prepare('select password_hash from users where id = ?').bind(verified.id).first()
  await env.DB.prepare(`update users set ${change} where id = ?`).bind(verified.id).run()
  const before = await readHash()

  const session = { ...OPENED, sid: crypto.randomUUID(), jti: crypto.randomUUID(), replacedSids: [old.sid] }
  const rehash = change.startsWith('password') ? 'rehashed' : null
  expect(await store.openForPassword(verified, rehash, session)).toBe(false)

  expect(await env.DB.prepare('select 1 from sessions where sid = ?').bind(session.sid).first()).toBeNull()
  expect(await readHash()).toEqual(before)
  expect((await store.find(old.sid))?.session.endedAt).toBeNull()
})
