/**
 * Nothing that somebody can ask for by an address tells whether that has an account: the answer is the same to the byte, and so are the
 * statements that run before it. What differs is the one row of a mail, where there is one.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, expect, test } from 'vitest'

import { GOOD_PASSWORD, register } from '../../support/account-life.ts'
import { createAccount, emptyTables } from '../../support/accounts.ts'
import { answer } from '../../support/answers.ts'
import { startCheapWorker } from '../../support/cheap-passwords.ts'
import { stopClock } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const counting = countRoundTrips(env.DB)
const worker = startCheapWorker({ DB: counting.database })

/** What a request shows: to its caller, and to the database, beside the mail. */
async function shown(path: string, json: unknown) {
  counting.reset()
  const got = await answer(await worker.call(path, { method: 'POST', json }))
  const statements = counting.statements().map(({ sql, rowsWritten }) => {
    return { sql, rowsWritten: sql.startsWith('insert into "notifications"') ? 'a mail or none' : rowsWritten }
  })
  return { ...got, roundTrips: counting.roundTrips(), statements }
}

/** An address of each kind. */
async function addresses(): Promise<Readonly<Record<string, string>>> {
  const registered = 'registered@example.com'
  await register(registered, GOOD_PASSWORD, {}, worker)
  const kinds = {
    active: {},
    inactive: { isActive: false },
    unconfirmed: { confirmedAt: null },
    'without a password': { passwordHash: null },
  }
  const accounts = await Promise.all(
    Object.entries(kinds).map(async ([kind, options]) => [kind, (await createAccount(env.DB, options)).email] as const),
  )
  return { ...Object.fromEntries(accounts.map(([kind, email]) => [kind, String(email)])), registered }
}

test.each([
  ['/auth/register', { password: GOOD_PASSWORD }],
  ['/auth/password/forgot', {}],
] as const)('%s, however often it is asked', async (path, more) => {
  const kinds = await addresses()
  // The address that registered was counted once already, as registrations are.
  const isCounted = (kind: string) => path === '/auth/register' && kind === 'registered'
  for (let i = 0; i < 7; i += 1) {
    const expected = await shown(path, { ...more, primary_email: 'nobody@example.com' })
    expect(expected).toMatchObject({ status: 202, roundTrips: 1 })
    for (const [kind, primary_email] of Object.entries(kinds)) {
      if (i === 0 && isCounted(kind)) continue
      expect({ kind, ...(await shown(path, { ...more, primary_email })) }).toEqual({ kind, ...expected })
    }
  }
})

test('/auth/confirm/resend, but for the copy of a registration that waits for its mail', async () => {
  const { registered = '', ...kinds } = await addresses()
  const expected = await shown('/auth/confirm/resend', { primary_email: 'nobody@example.com' })
  expect(expected).toMatchObject({ status: 202, roundTrips: 1 })
  for (const [kind, primary_email] of Object.entries(kinds)) {
    expect({ kind, ...(await shown('/auth/confirm/resend', { primary_email })) }).toEqual({ kind, ...expected })
  }
  const { statements, ...again } = await shown('/auth/confirm/resend', { primary_email: registered })
  expect({ ...again, statements: statements.map(({ sql }) => sql) }).toEqual({
    ...expected,
    statements: expected.statements.map(({ sql }) => sql),
  })
})
