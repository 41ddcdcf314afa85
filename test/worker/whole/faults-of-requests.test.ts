/** Every other request while D1 fails: a 503, never a 401, and the next try does what the first one should have. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, HASHES, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { passSeconds } from '../../support/clock.ts'
import { FAULTS } from '../../support/faulty-bindings.ts'
import {
  bearer,
  bySid,
  ended,
  expectUnavailable,
  live,
  mailApi,
  mailing,
  range,
  refresh,
  rigs,
  sessionsOf,
  settleMails,
  sidOf,
  signedIn,
  startWell,
  tokensOf,
} from '../../support/faulty-worker.ts'
import type { Tokens } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE } from '../../support/worker.ts'

startWell()

describe('signing in', () => {
  test.each(FAULTS)('by guid is a 503 when D1 fails %s, and goes well the next time', async (fault) => {
    const rig = rigs[0]
    const guid = crypto.randomUUID()
    rig.d1.fail(fault)
    await expectUnavailable(await rig.call(`/${guid}`), 'GET')
    const response = await rig.call(`/${guid}`)
    expect(response.status).toBe(200)

    const opened = await tokensOf(response, 'GET')
    const sessions = await sessionsOf({ guid })
    // A lost answer leaves a session of which nobody has a token: it expires.
    expect(sessions).toHaveLength(fault === 'after' ? 2 : 1)
    expect(sessions).toContainEqual(live(opened, null))
    expect((await refresh(rig, opened, 'GET')).status).toBe(200)
  })

  test.each(FAULTS)('by password is a 503 when D1 fails %s, and goes well the next time', async (fault) => {
    const rig = rigs[0]
    // An outdated hash, so that the batch also replaces it. Its check begins and ends before.
    const account = await createAccount(env.DB, { passwordHash: HASHES.weakArgon2id })
    const signIn = () =>
      rig.call('/auth/token', { method: 'POST', json: { primary_email: account.email, password: PASSWORD } })
    rig.d1.fail(null, null, null, fault)
    await expectUnavailable(await signIn(), 'json')
    const wasReplaced = (await hashOf(account)) !== HASHES.weakArgon2id
    expect(wasReplaced).toBe(fault === 'after')
    const response = await signIn()
    expect(response.status).toBe(200)

    const sessions = await sessionsOf(account)
    expect(sessions).toHaveLength(fault === 'after' ? 2 : 1)
    expect(sessions).toContainEqual(live(await tokensOf(response, 'json'), null))
  })
})

describe('the check of a foreign hash', () => {
  const PASSWORDS = { right: PASSWORD, wrong: 'wrong' } as const

  test.each(
    FAULTS.flatMap((fault) => [
      ['begins', fault, 1, 'right'] as const,
      ['ends', fault, 2, 'right'] as const,
      ['fails', fault, 2, 'wrong'] as const,
    ]),
  )('that %s while D1 fails %s is a 503, and keeps nobody from the next try', async (_when, fault, trips, which) => {
    const rig = rigs[0]
    const account = await createAccount(env.DB, { passwordHash: HASHES.weakArgon2id })
    const signIn = (password: string) =>
      rig.call('/auth/token', { method: 'POST', json: { primary_email: account.email, password } })
    rig.d1.fail(...Array<null>(trips).fill(null), fault)
    await expectUnavailable(await signIn(PASSWORDS[which]), 'json')
    expect((await signIn(PASSWORD)).status).toBe(200)
  })
})

describe('ending sessions', () => {
  interface End {
    readonly name: string
    /** Round trips before the one that writes. */
    readonly reads: number
    readonly reason: string
    /** The answer to a second try, when the first one had been committed. */
    readonly again: number
    readonly request: (victim: Tokens, other: Tokens) => [path: string, options: CallOptions]
  }
  const ends: readonly End[] = [
    {
      name: 'by an access token',
      reads: 0,
      reason: 'revoked',
      again: 204,
      request: ({ access }) => ['/auth/token/revoke', { method: 'POST', json: { token: access } }],
    },
    {
      name: 'by a refresh token',
      reads: 0,
      reason: 'revoked',
      again: 204,
      request: (victim) => ['/auth/token/revoke', { method: 'POST', json: { refresh: victim.refresh } }],
    },
    {
      name: 'by signing out',
      reads: 0,
      reason: 'signed_out',
      again: 204,
      request: ({ access }) => ['/auth/session', { method: 'DELETE', cookies: { access_token: access } }],
    },
    {
      name: 'one, from the list',
      reads: 1,
      reason: 'revoked',
      again: 404,
      request: (victim, other) => [`/auth/sessions/${sidOf(victim)}`, { method: 'DELETE', headers: bearer(other) }],
    },
    {
      name: 'all but the own',
      reads: 1,
      reason: 'with its account',
      again: 204,
      request: (_, other) => ['/auth/sessions', { method: 'DELETE', headers: bearer(other) }],
    },
  ]

  test.each(ends.flatMap((end) => FAULTS.map((fault) => ({ ...end, fault }))))(
    '$name is a 503 when D1 fails $fault, ends what it should by the next try, and nothing else',
    async ({ reads, reason, again, request, fault }) => {
      const rig = rigs[0]
      const { account, first: victim } = await signedIn(rig)
      const other = await tokensOf(await rig.call(`/${account.guid}`), 'GET')
      const [path, options] = request(victim, other)
      rig.d1.fail(...range(reads).map(() => null), fault)
      await expectUnavailable(await rig.call(path, options), 'json')
      const isEnded = fault === 'after'
      expect(await sessionsOf(account)).toEqual(
        [isEnded ? ended(victim, null, reason) : live(victim, null), live(other, null)].toSorted(bySid),
      )
      passSeconds(5)
      expect((await rig.call(path, options)).status).toBe(isEnded ? again : 204)
      // What ends with its account ends anew, which is the same to it.
      const seconds = isEnded && reason !== 'with its account' ? 0 : 5
      expect(await sessionsOf(account)).toEqual(
        [ended(victim, null, reason, seconds), live(other, null)].toSorted(bySid),
      )
    },
  )
})

describe('a link of a mail', () => {
  const rows = FAULTS.flatMap((fault) =>
    [
      { path: '/links/end-sessions', reads: 0 },
      { path: '/links/allow-place', reads: 1 },
    ].map((row) => ({ ...row, fault })),
  )

  test.each(rows)('to $path works once, though D1 fails $fault its first use', async ({ path, reads, fault }) => {
    const rig = mailing
    const calls = mailApi()
    const { account, first } = await signedIn(rig)
    const other = await tokensOf(await rig.call(`/${account.guid}`), 'GET')
    await refresh(rig, first, 'GET', ELSEWHERE)
    await settleMails(rig)
    const { text } = (calls[0]?.body ?? {}) as { text?: string }
    const link = new URL(text?.match(/https:\S+/g)?.find((url) => url.includes(path)) ?? '')
    const press = async () => {
      const response = await rig.call(link.pathname, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: link.searchParams.toString(),
      })
      const { status } = response
      return { status, retryAfter: response.headers.get('Retry-After'), title: titleOf(await response.text()) }
    }
    rig.d1.fail(...range(reads).map(() => null), fault)
    expect(await press()).toEqual({ status: 503, retryAfter: '1', title: 'This did not work just now' })
    rig.d1.heal()
    const used = { status: 401, retryAfter: null, title: 'This link was used already' }
    expect(await press()).toEqual(fault === 'after' ? used : { status: 303, retryAfter: null, title: undefined })
    expect(await press()).toEqual(used)

    const isEnd = path.endsWith('end-sessions')
    const blocked = ended(first, null, 'location')
    expect(await sessionsOf(account)).toEqual(
      [blocked, isEnd ? ended(other, null, 'with its account') : live(other, null)].toSorted(bySid),
    )
    expect(await placesOf(account)).toEqual(isEnd ? [] : [`address:${ELSEWHERE}/32`])
  })
})

describe('a route that only reads', () => {
  test.each([
    ['/auth/me', 'GET'],
    ['/auth/sessions', 'GET'],
    ['/auth/places', 'GET'],
    ['/auth/token/introspect', 'POST'],
  ] as const)(
    '%s is a 503 with Retry-After while D1 is down: never a 401, which would sign people out',
    async (...row) => {
      const [path, method] = row
      const rig = rigs[0]
      const { account, first } = await signedIn(rig)
      const isIntrospection = path.endsWith('introspect')
      rig.d1.failForGood('before')
      const response = await rig.call(path, {
        method,
        headers: { Authorization: `Bearer ${isIntrospection ? TEST_BINDINGS.SERVICE_KEY : first.access}` },
        ...(isIntrospection && { json: { token: first.access } }),
      })
      await expectUnavailable(response, 'json')
      rig.d1.heal()
      expect(await sessionsOf(account)).toEqual([live(first, null)])
    },
  )
})

async function placesOf({ id }: TestAccount): Promise<readonly unknown[]> {
  const { results } = await env.DB.prepare('SELECT place FROM allowed_places WHERE user_id = ? ORDER BY place')
    .bind(id)
    .all()
  return results.map(({ place }) => place)
}

async function hashOf({ id }: TestAccount): Promise<string | null> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
}

function titleOf(page: string): string | undefined {
  return /<h1>(.*)<\/h1>/.exec(page)?.[1]
}
