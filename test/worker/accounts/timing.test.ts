/**
 * The time of a refusal tells nothing: 200 tries of each kind, compared by their ranks. A mean would be decided by the few tries that met a
 * pause of the machine.
 *
 * All is real but for the memory of Argon2id, which is a tenth for hashes and decoy alike: beside 67 ms of it, nothing else would show.
 */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { runtimeFor } from '../../../src/services.ts'
import { PASSWORD } from '../../support/accounts.ts'
import { cheapPasswords, startCheapWorker } from '../../support/cheap-passwords.ts'
import { keepLog } from '../../support/log.ts'
import { rankDeviation } from '../../support/rank-test.ts'
import { ELSEWHERE } from '../../support/worker.ts'

keepLog('warn')

const TRIES = 200
const MEMORY_KIB = 2048

/**
 * If two kinds are alike, one comparison is beyond this once in 26 million runs, and one of four once in 6.6 million. Without the decoy, and
 * without the write of a failure, every comparison was beyond 7, on a machine that had four times as much to do as it has cores.
 */
const MAX_DEVIATION = 5.5

const KINDS = {
  'unknown address': null,
  'wrong password': { password: 'wrong password', columns: {} },
  inactive: { password: PASSWORD, columns: { is_active: 0 } },
  unconfirmed: { password: PASSWORD, columns: { confirmed_at: null } },
  waiting: { password: PASSWORD, columns: {} },
} as const
type Kind = keyof typeof KINDS

function emailOf(kind: Kind, i: number): string {
  return `${kind.replace(' ', '.')}.${String(i).padStart(3, '0')}@example.com`
}

/** An account for each try, but for those of the unknown. Each address failed three times; that of those who wait, ten times. */
async function prepare(passwordHash: string): Promise<void> {
  const { services } = await runtimeFor(env)
  const now = services.now()
  const rows = await Promise.all(
    (Object.keys(KINDS) as Kind[]).flatMap((kind) =>
      Array.from({ length: TRIES }, async (_, i) => ({
        email: emailOf(kind, i),
        subject: await services.subjectOf(emailOf(kind, i)),
        isKnown: KINDS[kind] !== null,
        active: kind === 'inactive' ? 0 : 1,
        confirmed: kind === 'unconfirmed' ? null : 1,
        count: kind === 'waiting' ? 10 : 3,
        until: kind === 'waiting' ? now + 3600 : 0,
      })),
    ),
  )
  const json = JSON.stringify(rows)
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO users (guid, primary_email, password_hash, is_active, confirmed_at, created_at, updated_at)
       SELECT value ->> 'email', value ->> 'email', ?2, value ->> 'active', value ->> 'confirmed', 1, 1
       FROM json_each(?1) WHERE value ->> 'isKnown'`,
    ).bind(json, passwordHash),
    env.DB.prepare(
      `INSERT INTO attempts SELECT value ->> 'subject', 'sign_in', value ->> 'count', ?2, ?2, value ->> 'until' FROM json_each(?1)`,
    ).bind(json, now),
  ])
}

function shuffled<Value>(values: readonly Value[]): readonly Value[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value)
}

test('the comparison is the one of Mann and Whitney', () => {
  const [low, high] = [Array.from({ length: 20 }, (_, i) => i), Array.from({ length: 20 }, (_, i) => i + 20)]
  expect(rankDeviation(high, low)).toBeCloseTo(200 / Math.sqrt((20 * 20 * 41) / 12), 10)
  expect(rankDeviation(low, high)).toBeCloseTo(-5.4101, 3)
  expect(rankDeviation(low, low)).toBe(0)
  expect(rankDeviation([1, 1, 1], [1, 1, 1])).toBe(0)
  // By hand: ranks 1.5, 3.5 and 5 for the one, 1.5, 3.5 and 6 for the other.
  expect(rankDeviation([1, 2, 3], [1, 2, 4])).toBeCloseTo(-0.5 / Math.sqrt((9 / 12) * (7 - 12 / 30)), 10)
})

/** What anybody can ask for by an address: with an account, or a registration, and without. */
const REQUESTS = {
  register: { path: '/auth/register', more: { password: PASSWORD }, known: 'account' },
  forgot: { path: '/auth/password/forgot', more: {}, known: 'account' },
  resend: { path: '/auth/confirm/resend', more: {}, known: 'registration' },
} as const
type Request = keyof typeof REQUESTS

test.each(Object.keys(REQUESTS) as Request[])(
  '200 requests to %s take as long for addresses that are known, by their ranks',
  { timeout: 120_000 },
  async (name) => {
    const passwords = cheapPasswords(MEMORY_KIB)
    const { path, more, known } = REQUESTS[name]
    const emails = Array.from({ length: TRIES }, (_, i) => `${name}.known.${i}@example.com`)
    const table =
      known === 'account'
        ? `users (guid, primary_email, password_hash, confirmed_at, created_at, updated_at) SELECT value, value, ?2, 1, 1, 1`
        : `registrations (id, email, password_hash, created_at) SELECT value, value, ?2, 1`
    await env.DB.prepare(`INSERT INTO ${table} FROM json_each(?1)`)
      .bind(JSON.stringify(emails), await passwords.hash(PASSWORD))
      .run()
    // The mail goes to the queue behind the answer, which is not waited for here.
    const worker = startCheapWorker({}, { passwords, announce: async () => {} })
    const milliseconds = { known: [] as number[], unknown: [] as number[] }
    for (const [i, email] of emails.entries()) {
      for (const kind of shuffled(['known', 'unknown'] as const)) {
        const json = { primary_email: kind === 'known' ? email : `${name}.unknown.${i}@example.com`, ...more }
        const start = performance.now()
        // oxlint-disable-next-line no-await-in-loop -- two at once would wait for each other
        const { status } = await worker.call(path, { method: 'POST', json, ip: ELSEWHERE })
        milliseconds[kind].push(performance.now() - start)
        expect(status).toBe(202)
      }
    }
    expect(Math.abs(rankDeviation(milliseconds.known, milliseconds.unknown))).toBeLessThan(MAX_DEVIATION)
  },
)

test('200 refusals of each kind take as long, by their ranks', { timeout: 120_000 }, async () => {
  const passwords = cheapPasswords(MEMORY_KIB)
  await prepare(await passwords.hash(PASSWORD))
  const worker = startCheapWorker({}, { passwords })
  const milliseconds = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, [] as number[]]))
  // Each kind in turn, in another order each time: whatever slows the machine down meets all of them.
  for (let i = 0; i < TRIES; i += 1) {
    for (const kind of shuffled(Object.keys(KINDS) as Kind[])) {
      const json = { primary_email: emailOf(kind, i), password: KINDS[kind]?.password ?? PASSWORD }
      const start = performance.now()
      // oxlint-disable-next-line no-await-in-loop -- two at once would wait for each other
      const { status } = await worker.call('/auth/token', { method: 'POST', json, ip: ELSEWHERE })
      milliseconds[kind]?.push(performance.now() - start)
      expect(status).toBe(401)
    }
  }

  const unknown = milliseconds['unknown address'] ?? []
  const deviations = Object.fromEntries(
    Object.entries(milliseconds).map(([kind, times]) => [kind, rankDeviation(times, unknown)]),
  )
  expect(Object.entries(deviations).filter(([, deviation]) => Math.abs(deviation) > MAX_DEVIATION)).toEqual([])
})
